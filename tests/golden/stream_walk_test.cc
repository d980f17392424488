// Whole binary logs through reader, netting and encoder, as a replica would take them: tables are
// learned from the log's own CREATE statements, plans come from the coordinator's type map.
// A log ends at its end, or in a refusal with a reason; every line that comes out is well-formed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"
#include "tests/golden/corpus.h"
#include "tests/golden/log_schema.h"
#include "worker/stream/reader.h"

namespace chameleon::worker::stream {
namespace {

class EventList : public source::EventSource {
 public:
  explicit EventList(std::vector<std::string> events) : events_(std::move(events)) {}
  absl::StatusOr<std::string_view> Next() override {
    if (next_ == events_.size()) return absl::CancelledError("end of the log");
    return events_[next_++];
  }
  void Interrupt() override {}
  bool first_rotate_has_checksum() const override { return false; }

 private:
  const std::vector<std::string> events_;
  size_t next_ = 0;
};

// What the stream of one log amounts to.
struct Outcome {
  absl::Status status;
  std::map<std::string, uint64_t> lines;    // by operation
  std::map<std::string, uint64_t> ignored;  // by the name in the ledger
  uint64_t stopped = 0;
  std::string first_stop;
  std::string malformed;  // the first line that is not what docs/architecture.md says
};

// The tables that a log has rows of, also in compressed transactions, each with the reason why no
// statement before the rows makes its schema (empty: one does). Rows of a transaction that the log
// does not end are read, but nothing is told of them.
class Mapped {
 public:
  explicit Mapped(const std::vector<std::string>& events) : schema_(test::ServerVersionOf(events)) {
    binlog::EventParser parser;
    for (const auto& raw : events) {
      auto event = parser.Parse(raw);
      if (!event.ok()) return;
      Take(*event, parser.format());
    }
  }
  const std::map<std::pair<std::string, std::string>, std::string>& tables() const {
    return tables_;
  }
  bool committed(const std::pair<std::string, std::string>& table) const {
    return committed_.contains(table);
  }

 private:
  void Take(const binlog::Event& event, const binlog::FormatDescription& format) {
    using binlog::EventType;
    if (event.header.type == EventType::kTransactionPayload) {
      auto payload = binlog::PayloadReader::Open(event, 1 << 20);
      for (auto inner = payload->Next(); inner.ok() && *inner; inner = payload->Next()) {
        Take(**inner, format);
      }
    } else if (event.header.type == EventType::kQuery) {
      auto query = binlog::ParseQuery(event);
      if (!query.ok()) return;
      schema_.Follow(*query);
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
    }
  }

  void Committed() { committed_.merge(open_); }

  test::LogSchema schema_;
  std::set<std::pair<std::string, std::string>> open_, committed_;
  std::map<std::pair<std::string, std::string>, std::string> tables_;
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

void CheckLine(std::string_view line, uint64_t batch_id, Outcome* outcome) {
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

Outcome Walk(const std::vector<std::string>& events, bool is_mariadb, const std::string& version) {
  v1::SourceOptions source_options;
  v1::ServerInfo server;
  std::vector<v1::DatabaseDefault> databases;
  const std::string charset = test::FittingCharset(events, [](test::LogSchema*) {});
  const Mapped mapped(events);
  for (const auto& [name, _] : mapped.tables()) {
    (*source_options.mutable_schema_mappings())[name.first] = name.first;
    databases.emplace_back().set_database(name.first);
    databases.back().mutable_charset()->set_charset(charset);
  }
  server.set_kind(is_mariadb ? v1::ServerInfo::MARIADB : v1::ServerInfo::MYSQL);
  server.set_version(version);
  server.mutable_charset()->set_charset("utf8mb4");
  server.mutable_charset()->set_collation("utf8mb4_general_ci");
  TableRegistry tables(source_options, is_mariadb);
  SchemaFollower schema({}, server, databases, &tables, Plan);
  BatchQueue queue({.rows_max = 1000});
  Reader reader({}, *LogPosition::Create({}, is_mariadb), &tables, &schema, &queue);
  Outcome outcome;
  std::thread uplink([&] {
    uint64_t batch_id = 0;
    while (auto batch = queue.Take()) {
      v1::BatchHeader header;
      header.set_batch_id(++batch_id);
      std::string lines;
      auto status = EncodeBatch(batch.get(), &header, &lines);
      if (!status.ok()) {
        outcome.status = status;
        continue;
      }
      for (const auto& entry : header.ledger()) outcome.ignored[entry.kind()] += entry.count();
      for (size_t at = 0; at < lines.size();) {
        const size_t end = lines.find('\n', at);
        CheckLine(std::string_view(lines).substr(at, end - at), batch_id, &outcome);
        at = end + 1;
      }
    }
  });
  EventList list(events);
  const auto status = reader.Run(&list);
  queue.Close(false);
  uplink.join();
  if (outcome.status.ok() && !absl::IsCancelled(status)) outcome.status = status;
  return outcome;
}

Outcome Walk(const test::BinlogFile& file) {
  std::string version = test::ServerVersionOf(file.events);
  if (version.empty()) version = "8.0.0";
  return Walk(file.events, version.find("MariaDB") != std::string::npos, version);
}

TEST(StreamWalkTest, EveryLogOfTheCorpusEndsOrIsRefusedByName) {
  SKIP_WITHOUT_CORPUS();
  for (const auto& file : test::CorpusBinlogs()) {
    const auto outcome = Walk(file);
    std::string counts;
    for (const auto& [op, count] : outcome.lines) counts += fmt::format(" {}:{}", op, count);
    for (const auto& [kind, count] : outcome.ignored)
      counts += fmt::format(" [{}]:{}", kind, count);
    fmt::print("{}:{}{}\n", file.name, counts,
               outcome.status.ok() ? "" : " " + Text(outcome.status));
    EXPECT_EQ(outcome.malformed, "") << file.name;
    if (!outcome.status.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(outcome.status)) << file.name << ": " << outcome.status;
      EXPECT_NE(DetailOf(outcome.status).reason(), "") << file.name << ": " << outcome.status;
    }
    if (outcome.stopped > 0) fmt::print("  stopped: {}\n", outcome.first_stop);
    // dolt's are pieces of transactions: without a commit nothing is told.
    if (!outcome.status.ok() || file.name.starts_with("dolt/")) continue;
    const Mapped mapped(file.events);
    for (const auto& [name, why_not] : mapped.tables()) {
      if (why_not.empty() || !mapped.committed(name))
        continue;  // rows without a schema are never passed over in silence
      const auto kind = fmt::format("unknown_table:{}.{}", name.first, name.second);
      EXPECT_TRUE(outcome.ignored.contains(kind)) << file.name << ": " << kind << ": " << why_not;
    }
  }
}

TEST(StreamWalkTest, SakilaOfMysql55ArrivesWhole) {
  SKIP_WITHOUT_CORPUS();
  for (const auto& file : test::CorpusBinlogs()) {
    if (file.name.find("sakila") == std::string::npos) continue;
    auto outcome = Walk(file);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.lines["insert"], 47273u);
    EXPECT_EQ(outcome.stopped, 0u) << outcome.first_stop;
  }
}

}  // namespace
}  // namespace chameleon::worker::stream
