#include "tests/golden/stream_walk.h"

#include <fmt/format.h>

#include <set>
#include <thread>

#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"
#include "tests/golden/log_schema.h"
#include "worker/source/event_source.h"
#include "worker/stream/reader.h"

namespace chameleon::test {

using namespace worker;
using namespace worker::stream;

namespace {

class EventList : public source::EventSource {
 public:
  explicit EventList(const std::vector<std::string>& events) : events_(events) {}
  absl::StatusOr<std::string_view> Next() override {
    if (next_ == events_.size()) return absl::CancelledError("end of the log");
    return events_[next_++];
  }
  void Interrupt() override {}
  bool first_rotate_has_checksum() const override { return false; }

 private:
  const std::vector<std::string>& events_;
  size_t next_ = 0;
};

// The databases that a log names, and the tables that it has rows of, also in compressed
// transactions, each with the reason why no statement before the rows makes its schema (empty: one
// does). Rows of a transaction that the log does not end are read, but nothing is told of them.
class Mapped {
 public:
  explicit Mapped(const std::vector<std::string>& events) : schema_(ServerVersionOf(events)) {
    binlog::EventParser parser;
    for (const auto& raw : events) {
      auto event = parser.Parse(raw);
      if (!event.ok()) return;
      Take(*event, parser.format());
    }
  }
  const std::map<TableKey, std::string>& tables() const { return tables_; }
  const std::set<std::string>& databases() const { return databases_; }
  bool committed(const TableKey& table) const { return committed_.contains(table); }

 private:
  void Take(const binlog::Event& event, const binlog::FormatDescription& format) {
    using binlog::EventType;
    if (event.header.type == EventType::kTransactionPayload) {
      auto payload = binlog::PayloadReader::Open(event, 1 << 20);
      if (!payload.ok()) return;
      for (auto inner = payload->Next(); inner.ok() && *inner; inner = payload->Next()) {
        Take(**inner, format);
      }
    } else if (event.header.type == EventType::kQuery) {
      auto query = binlog::ParseQuery(event);
      if (!query.ok()) return;
      schema_.Follow(*query);
      if (!query->database.empty()) databases_.emplace(query->database);
      if (query->statement == "COMMIT") Committed();
    } else if (event.header.type == EventType::kXid) {
      Committed();
    } else if (event.header.type == EventType::kTableMap) {
      auto map = binlog::ParseTableMap(event, format);
      if (!map.ok()) return;
      const bool known = schema_.TableOf(map->schema, map->table) != nullptr;
      tables_.try_emplace({map->schema, map->table},
                          known ? "" : schema_.WhyNot(map->schema, map->table));
      open_.insert({map->schema, map->table});
      databases_.insert(map->schema);
    }
  }

  void Committed() { committed_.merge(open_); }

  LogSchema schema_;
  std::set<std::string> databases_;
  std::set<TableKey> open_, committed_;
  std::map<TableKey, std::string> tables_;
};

absl::StatusOr<v1::ChangeSchemaResponse> Plan(const v1::ChangeSchemaRequest& request) {
  static uint64_t last_id = 0;
  v1::ChangeSchemaResponse response;
  for (const auto& change : request.changes()) {
    auto* plan = response.add_plans();
    if (!change.has_after()) continue;
    coordinator::target::TypeMapOptions options;
    options.target_schema = change.after().name().schema();
    auto mapped = coordinator::target::MapTable(change.after(), options);
    if (!mapped.ok()) return mapped.status();
    *plan = *std::move(mapped);
    plan->set_table_id(++last_id);
  }
  return response;
}

void CheckLine(std::string_view line, uint64_t batch_id, StreamOutcome* outcome) {
  std::vector<std::string> fields;
  for (size_t at = 0; at <= line.size();) {
    const size_t end = std::min(line.find('\t', at), line.size());
    fields.emplace_back(line.substr(at, end - at));
    at = end + 1;
  }
  const bool six = fields.size() == 6 && fields[0] == std::to_string(batch_id);
  const std::string op = six ? fields[2] : "";
  const auto object = [&](int i) {
    return fields[i].starts_with("{\"") && fields[i].ends_with("}");
  };
  const bool fits = op == "insert" || op == "update" ? object(4)
                    : op == "cascade"                ? object(3)
                    : op == "delete"                 ? object(3) && fields[4] == "\\N"
                                                     : op == "stop" && fields[5] != "\\N";
  if (!fits && outcome->malformed.empty()) outcome->malformed = std::string(line.substr(0, 500));
  ++outcome->lines[op];
  if (op == "stop" && outcome->stopped++ == 0) outcome->first_stop = fields[5];
}

// Reads what the reader sends, to the end.
void Drain(BatchQueue* queue, StreamOutcome* outcome) {
  uint64_t batch_id = 0;
  while (auto batch = queue->Take()) {
    v1::BatchHeader header;
    header.set_batch_id(++batch_id);
    std::string lines;
    auto status = EncodeBatch(batch.get(), &header, &lines);
    if (!status.ok()) {
      outcome->status = status;
      continue;
    }
    for (const auto& entry : header.ledger()) outcome->ignored[entry.kind()] += entry.count();
    for (size_t at = 0; at < lines.size();) {
      const size_t end = lines.find('\n', at);
      CheckLine(std::string_view(lines).substr(at, end - at), batch_id, outcome);
      at = end + 1;
    }
  }
}

StreamOutcome Walk(const std::vector<std::string>& events, source::EventSource* source) {
  std::string version = ServerVersionOf(events);
  if (version.empty()) version = "8.0.0";
  const bool is_mariadb = version.find("MariaDB") != std::string::npos;
  v1::SourceOptions source_options;
  v1::ServerInfo server;
  std::vector<v1::DatabaseDefault> databases;
  const std::string charset = FittingCharset(events, [](LogSchema*) {});
  const Mapped mapped(events);
  for (const std::string& name : mapped.databases()) {
    (*source_options.mutable_schema_mappings())[name] = name;
    databases.emplace_back().set_database(name);
    databases.back().mutable_charset()->set_charset(charset);
  }
  server.set_kind(is_mariadb ? v1::ServerInfo::MARIADB : v1::ServerInfo::MYSQL);
  server.set_version(version);
  server.mutable_charset()->set_charset("utf8mb4");
  server.mutable_charset()->set_collation("utf8mb4_general_ci");
  TableRegistry tables(source_options, is_mariadb);
  SchemaFollower schema({}, server, databases, &tables, Plan,
                        {.ask = [](const v1::TableName&) { return std::nullopt; }});
  BatchQueue queue({.rows_max = 1000});
  Reader reader({}, *LogPosition::Create({}, is_mariadb), &tables, &schema, &queue);
  StreamOutcome outcome;
  std::thread uplink([&] { Drain(&queue, &outcome); });
  const auto status = reader.Run(source);
  queue.Close(false);
  uplink.join();
  if (outcome.status.ok() && !absl::IsCancelled(status)) outcome.status = status;
  if (!outcome.status.ok()) return outcome;
  for (const auto& [name, why_not] : mapped.tables()) {
    if (why_not.empty() || !mapped.committed(name)) continue;
    const auto kind = fmt::format("unknown_table:{}.{}", name.first, name.second);
    if (!outcome.ignored.contains(kind)) outcome.silent.push_back(kind + ": " + why_not);
  }
  return outcome;
}

}  // namespace

std::string StreamOutcome::Summary() const {
  std::string out;
  for (const auto& [op, count] : lines) out += fmt::format(" {}:{}", op, count);
  for (const auto& [kind, count] : ignored) out += fmt::format(" [{}]:{}", kind, count);
  if (stopped > 0) out += " stopped: " + first_stop;
  return out + (status.ok() ? "" : " " + Text(status));
}

StreamOutcome WalkStream(const BinlogFile& log) {
  if (log.bytes.empty()) {
    EventList list(log.events);
    return Walk(log.events, &list);
  }
  const TemporaryFile file(log.bytes);
  auto source = source::OpenFileEvents(file.path());
  if (source.ok()) return Walk(log.events, source->get());
  StreamOutcome outcome;
  outcome.status = source.status();
  return outcome;
}

bool IsRefusalByName(const absl::Status& status) {
  return absl::IsDataLoss(status) && !DetailOf(status).reason().empty() &&
         Text(status).find("HINT: ") != std::string::npos;
}

}  // namespace chameleon::test
