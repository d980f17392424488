#include "worker/stream/position_proof.h"

#include <fmt/format.h>

#include <variant>

#include "proto/wire/error.h"
#include "proto/wire/position.h"
#include "worker/binlog/row_image.h"
#include "worker/ddl/parser.h"
#include "worker/stream/query_context.h"

namespace chameleon::worker::stream {
namespace {

using binlog::Event;
using binlog::EventType;

LogPosition BeginningOf(const v1::Position& stored, bool is_mariadb) {
  v1::Position begin;
  begin.set_file(stored.file());
  begin.set_offset(4);
  return *LogPosition::Create(begin, is_mariadb);  // without a GTID set it cannot fail
}

// What stands before the first group of a file.
bool IsFileHead(EventType type) {
  switch (type) {
    case EventType::kRotate:
    case EventType::kFormatDescription:
    case EventType::kPreviousGtids:
    case EventType::kMariadbGtidList:
    case EventType::kMariadbBinlogCheckpoint:
    case EventType::kMariadbStartEncryption:
    case EventType::kHeartbeat:
    case EventType::kHeartbeatV2:
      return true;
    default:
      return false;
  }
}

// Today's tables: which statements would concern them.
class TodayLookup : public ddl::SchemaLookup {
 public:
  TodayLookup(const std::vector<v1::TableDef>& tables, const source::TableFilter& filter,
              const v1::ServerInfo& server)
      : tables_(tables), filter_(filter), server_(server) {}

  const v1::TableDef* Find(const ddl::TableRef& table) const override {
    for (const v1::TableDef& def : tables_) {
      if (filter_.Key(def.name().schema()) == filter_.Key(table.schema) &&
          filter_.Key(def.name().table()) == filter_.Key(table.table)) {
        return &def;
      }
    }
    return nullptr;
  }
  bool Wants(const ddl::TableRef& table) const override {
    return filter_.Wants(table.schema, table.table);
  }
  std::vector<const v1::TableDef*> Tables() const override {
    std::vector<const v1::TableDef*> all;
    for (const v1::TableDef& def : tables_) all.push_back(&def);
    return all;
  }
  std::optional<ddl::CharsetDefault> Database(const std::string& schema) const override {
    const auto it = server_.databases().find(schema);
    if (it == server_.databases().end()) return std::nullopt;
    return ddl::CharsetDefault{it->second.charset(), it->second.collation()};
  }

 private:
  const std::vector<v1::TableDef>& tables_;
  const source::TableFilter& filter_;
  const v1::ServerInfo& server_;
};

}  // namespace

PositionProof::PositionProof(const v1::ServerInfo& server, const v1::Position& stored,
                             const std::vector<v1::TableDef>& tables,
                             const source::TableFilter& filter)
    : server_(server),
      stored_(stored),
      tables_(tables),
      filter_(filter),
      position_(BeginningOf(stored, server.kind() == v1::ServerInfo::MARIADB)) {}

absl::Status PositionProof::Run(source::EventSource* events) {
  parser_.SetWireChecksum(events->first_rotate_has_checksum());
  while (true) {
    auto raw = events->Next();
    if (DetailOf(raw.status()).reason() == "STREAM_ENDED" || absl::IsCancelled(raw.status())) {
      return Finish();
    }
    if (!raw.ok()) return raw.status();
    auto event = parser_.Parse(*raw);
    if (!event.ok()) return event.status();
    if (header_ && !IsFileHead(event->header.type)) {
      header_ = false;
      if (at_header_) Reached();
    }
    const v1::Position before = position_.current();
    position_.Seen(event->header);
    if (auto status = Handle(*event, before); !status.ok()) {
      return WithContext(status, PositionText(position_.current()));
    }
    if (reached_ || !IsAtStored()) continue;
    if (header_) {
      at_header_ = true;
    } else {
      Reached();
    }
  }
}

bool PositionProof::IsAtStored() const {
  return position_.current().file() == stored_.file() &&
         position_.current().offset() == stored_.offset();
}

void PositionProof::Reached() {
  reached_ = true;
  next_decides_ = in_group_;
  start_ = in_group_ ? group_begin_ : stored_;
  // Of the groups before this one.
  start_.set_gtid(position_.current().gtid());
  start_.set_file_created(position_.current().file_created());
  start_.set_server_id(server_.server_id());
}

absl::Status PositionProof::Finish() {
  if (!reached_ && at_header_) Reached();
  if (reached_) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss, "POSITION_UNKNOWN", stored_.file(),
               fmt::format("the stored position {} is not the end of an event: this is another "
                           "server, or it was reset",
                           PositionText(stored_)),
               "Connect to the server that was copied, or copy the source again with chamctl "
               "init_replica.");
}

absl::Status PositionProof::Handle(const Event& event, const v1::Position& before) {
  if (next_decides_ && !IsFileHead(event.header.type)) {
    next_decides_ = false;
    if (binlog::IsRowsEvent(event.header.type)) {
      for (const auto& [schema, table] : mapped_) {
        v1::TableName name;
        name.set_schema(schema);
        name.set_table(table);
        Touch(name, "the stored position stands inside of a statement that changes it", false);
      }
    }
  }
  switch (event.header.type) {
    case EventType::kFormatDescription: {
      auto format = binlog::ParseFormatDescription(event);
      if (!format.ok()) return format.status();
      format_ = *std::move(format);
      return position_.FileCreated(event.header.timestamp);
    }
    case EventType::kRotate: {
      auto rotate = binlog::ParseRotate(event);
      if (!rotate.ok()) return rotate.status();
      position_.Rotated(rotate->file, rotate->position);
      return absl::OkStatus();
    }
    case EventType::kPreviousGtids: {
      auto gtids = binlog::ParsePreviousGtids(event);
      return gtids.ok() ? SetExecuted(*gtids) : gtids.status();
    }
    case EventType::kMariadbGtidList: {
      auto list = binlog::ParseMariadbGtidList(event);
      if (!list.ok()) return list.status();
      binlog::MariadbGtidPosition executed;
      for (const auto& e : list->entries) executed.Set(e.domain, e.server_id, e.sequence);
      return SetExecuted(executed.ToString());
    }
    case EventType::kGtid:
    case EventType::kAnonymousGtid:
    case EventType::kGtidTagged: {
      auto gtid = binlog::ParseMysqlGtid(event);
      if (!gtid.ok()) return gtid.status();
      BeginGroup(before);
      position_.Begin(*gtid);
      standalone_ = true;
      return absl::OkStatus();
    }
    case EventType::kMariadbGtid: {
      auto gtid = binlog::ParseMariadbGtid(event);
      if (!gtid.ok()) return gtid.status();
      BeginGroup(before);
      position_.Begin(*gtid);
      standalone_ = (gtid->flags & binlog::MariadbGtid::kStandalone) != 0;
      return absl::OkStatus();
    }
    case EventType::kQuery:
    case EventType::kMariadbQueryCompressed:
      return OnQuery(event, before);
    case EventType::kTableMap:
      return OnTableMap(event);
    case EventType::kXid:
    case EventType::kXaPrepare:
    case EventType::kTransactionPayload:
      EndGroup();
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

// What the file begins with; of later files it is what we have counted ourselves.
absl::Status PositionProof::SetExecuted(const std::string& gtids) {
  if (!header_) return absl::OkStatus();
  v1::Position here = position_.current();
  here.set_gtid(gtids);
  auto position = LogPosition::Create(here, server_.kind() == v1::ServerInfo::MARIADB);
  if (!position.ok()) return position.status();
  position_ = *std::move(position);
  return absl::OkStatus();
}

void PositionProof::BeginGroup(const v1::Position& before) {
  in_group_ = true;
  group_begin_ = before;
  mapped_.clear();
}

void PositionProof::EndGroup() {
  position_.Commit();
  in_group_ = standalone_ = false;
  mapped_.clear();
}

absl::Status PositionProof::OnQuery(const Event& event, const v1::Position& before) {
  auto query = binlog::ParseQuery(event);
  if (!query.ok()) return query.status();
  if (query->statement == "BEGIN") {
    if (!in_group_) BeginGroup(before);
    standalone_ = false;
    return absl::OkStatus();
  }
  if (query->statement == "COMMIT" || query->statement == "ROLLBACK") {
    EndGroup();
    return absl::OkStatus();
  }
  if (reached_) {
    if (auto status = Touch(*query); !status.ok()) return status;
  }
  if (standalone_ || !in_group_) EndGroup();
  return absl::OkStatus();
}

absl::Status PositionProof::OnTableMap(const Event& event) {
  if (reached_) return absl::OkStatus();
  auto map = binlog::ParseTableMap(event, format_);
  if (!map.ok()) return map.status();
  mapped_.insert({map->schema, map->table});
  return absl::OkStatus();
}

absl::Status PositionProof::Touch(const binlog::Query& query) {
  const auto context = ContextOf(query, server_);
  auto text = TextOf(query, server_);
  if (!text.ok()) return text.status();
  const auto statement = ddl::Parse(*text, context);
  // Rows that are logged as a statement stop the stream, by name.
  if (std::holds_alternative<ddl::Dml>(statement)) return absl::OkStatus();
  auto changes = ddl::ApplyStatement(statement, TodayLookup(tables_, filter_, server_), context);
  if (!changes.ok()) return changes.status();
  for (const v1::TableChange& change : *changes) {
    if (change.kind() == v1::TableChange::TRUNCATE) continue;  // the definition stays
    const std::string reason =
        fmt::format("changed on the source since the stored position: {}", *text);
    Touch(change.name(), reason, change.kind() == v1::TableChange::CREATE);
    if (change.has_new_name()) Touch(change.new_name(), reason, false);
  }
  return absl::OkStatus();
}

void PositionProof::Touch(const v1::TableName& name, const std::string& reason, bool created) {
  v1::TouchedTable table;
  *table.mutable_name() = name;
  table.set_reason(reason);
  table.set_created(created);
  touched_.try_emplace({filter_.Key(name.schema()), filter_.Key(name.table())}, table);
}

std::vector<v1::TouchedTable> PositionProof::touched() const {
  std::vector<v1::TouchedTable> all;
  for (const auto& [key, table] : touched_) all.push_back(table);
  return all;
}

}  // namespace chameleon::worker::stream
