#include "worker/stream/reader.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "proto/wire/error.h"
#include "proto/wire/position.h"

namespace chameleon::worker::stream {
namespace {

using binlog::Disposition;
using binlog::Event;
using binlog::EventType;
using binlog::RowKind;
using Clock = std::chrono::steady_clock;

constexpr auto kPublishEvery = std::chrono::milliseconds(200);
constexpr size_t kPayloadEventBytesMax = size_t{1} << 30;

// Old temporal types do not say in the table map how many digits of a second they store.
void LayOutOldTemporals(const v1::TableDef& def, binlog::TableMap* map) {
  const size_t columns = std::min<size_t>(map->columns.size(), def.columns_size());
  for (size_t i = 0; i < columns; ++i) {
    const v1::ColumnDef& column = def.columns(static_cast<int>(i));
    if (!column.old_temporal() || column.fsp() == 0) continue;
    binlog::LayOut(&map->columns[i], static_cast<uint8_t>(column.fsp()));
  }
}

absl::Status Refused(std::string_view reason, std::string_view object, std::string text,
                     std::string_view hint) {
  return Error(absl::StatusCode::kDataLoss, reason, object, text, hint);
}

// What may come before the description of a file's format.
bool NeedsNoFormat(EventType type) {
  return type == EventType::kFormatDescription || type == EventType::kRotate ||
         type == EventType::kHeartbeat || type == EventType::kHeartbeatV2 ||
         type == EventType::kStartV3;
}

}  // namespace

Reader::Reader(const Options& options, LogPosition position, TableRegistry* tables,
               SchemaFollower* schema, BatchQueue* queue)
    : options_(options),
      tables_(tables),
      schema_(schema),
      queue_(queue),
      position_(std::move(position)),
      advanced_(position_.current()) {
  for (const auto& prepared : options_.prepared) prepared_[prepared.xid()] = prepared.parts();
  tables_->SetReader(&position_, options_.by_gtid);
  tx_.notes.databases = options_.databases;
}

std::string Reader::Where() const {
  return fmt::format("at {}, event {}", PositionText(position_.current()),
                     binlog::EventTypeName(static_cast<uint8_t>(header_.type)));
}

absl::Status Reader::Run(source::EventSource* events) {
  parser_.SetWireChecksum(events->first_rotate_has_checksum());
  while (true) {
    auto raw = events->Next();
    if (!raw.ok()) {
      // What was read of others' transactions need not be read again.
      if (auto status = Advance(); !status.ok()) return status;
      return raw.status();
    }
    auto event = parser_.Parse(*raw);
    if (!event.ok()) {
      return WithContext(event.status(), "after " + PositionText(position_.current()));
    }
    header_ = event->header;
    position_.Seen(header_);
    ++events_;
    auto status = Handle(*event);
    const bool between = group_ == Group::kNone && !commit_deferred_ && CanEndHere();
    if (status.ok() && between && !unknown_.empty()) status = CopyUnknown(/*inside=*/false);
    if (!status.ok()) return absl::IsCancelled(status) ? status : WithContext(status, Where());
    if (Clock::now() >= next_publish_) PublishStatus();
  }
}

absl::Status Reader::Handle(const Event& event) {
  idle_ = false;
  if (format_.binlog_version == 0 && !NeedsNoFormat(event.header.type)) {
    return Refused("LOG_FORMAT_REFUSED", "",
                   fmt::format("the binary log begins with a {} event, not with the description of "
                               "its format",
                               binlog::EventTypeName(static_cast<uint8_t>(event.header.type))),
                   "The log is damaged: run init_replica for this source.");
  }
  switch (binlog::DispositionOf(event.header)) {
    case Disposition::kRefused:
      return binlog::RefusedEvent(event.header.type);
    case Disposition::kBenign:
      return absl::OkStatus();
    case Disposition::kHandled:
      return HandleMapped(event);
  }
  return absl::InternalError("unreachable");
}

absl::Status Reader::HandleMapped(const Event& event) {
  switch (event.header.type) {
    case EventType::kFormatDescription:
      return OnFormatDescription(event);
    case EventType::kRotate:
      return OnRotate(event);
    case EventType::kHeartbeat:
    case EventType::kHeartbeatV2:
      return OnHeartbeat(event);
    case EventType::kGtid:
    case EventType::kAnonymousGtid:
    case EventType::kGtidTagged:
      return OnGtid(event);
    case EventType::kMariadbGtid:
      return OnMariadbGtid(event);
    case EventType::kQuery:
    case EventType::kMariadbQueryCompressed:
      return OnQuery(event);
    case EventType::kXid: {
      auto xid = binlog::ParseXid(event);
      return xid.ok() ? Commit() : xid.status();
    }
    case EventType::kXaPrepare:
      return OnXaPrepare(event);
    case EventType::kTransactionPayload:
      return OnPayload(event);
    case EventType::kMariadbAnnotateRows:
      return OnAnnotate(event);
    case EventType::kTableMap:
      return OnTableMap(event);
    case EventType::kIncident: {
      auto incident = binlog::ParseIncident(event);
      if (!incident.ok()) return incident.status();
      return Refused("INCIDENT", "",
                     fmt::format("the source reports an incident: {} (changes are missing from its "
                                 "binary log)",
                                 incident->message),
                     "Which table is affected is unknown: run init_replica for this source.");
    }
    default:
      return OnRows(event);
  }
}

absl::Status Reader::OnFormatDescription(const Event& event) {
  auto format = binlog::ParseFormatDescription(event);
  if (!format.ok()) return format.status();
  format_ = *std::move(format);
  return position_.FileCreated(event.header.timestamp);
}

absl::Status Reader::OnRotate(const Event& event) {
  auto rotate = binlog::ParseRotate(event);
  if (!rotate.ok()) return rotate.status();
  if (auto status = DropUnfinished(); !status.ok()) return status;
  position_.Rotated(rotate->file, rotate->position);
  return EndDeferred();
}

absl::Status Reader::OnHeartbeat(const Event& event) {
  auto heartbeat = binlog::ParseHeartbeat(event);
  if (!heartbeat.ok()) return heartbeat.status();
  if (group_ == Group::kNone && !commit_deferred_) {
    position_.ReachedByHeartbeat(heartbeat->file, heartbeat->position,
                                 heartbeat->position_is_64bit);
    idle_ = true;
    PublishStatus();
  }
  return AdvanceIfDue();
}

absl::Status Reader::AdvanceIfDue() {
  const auto now = Clock::now();
  if (now < next_advance_) return absl::OkStatus();
  next_advance_ = now + kAdvanceEvery;
  return Advance();
}

absl::Status Reader::Advance() {
  if (group_ != Group::kNone || commit_deferred_) return absl::OkStatus();
  if (SamePosition(advanced_, position_.current())) return absl::OkStatus();
  if (!options_.by_gtid && !position_.AddressableByFile()) return absl::OkStatus();
  advanced_ = position_.current();
  return queue_->Advance(&tx_, advanced_);
}

absl::Status Reader::OnGtid(const Event& event) {
  auto gtid = binlog::ParseMysqlGtid(event);
  if (!gtid.ok()) return gtid.status();
  if (auto status = BeginGroup(Group::kStandalone); !status.ok()) return status;  // until a BEGIN
  tx_time_us_ = static_cast<int64_t>(gtid->commit_time_us);
  position_.Begin(*gtid);
  return absl::OkStatus();
}

absl::Status Reader::OnMariadbGtid(const Event& event) {
  auto gtid = binlog::ParseMariadbGtid(event);
  if (!gtid.ok()) return gtid.status();
  const bool standalone = (gtid->flags & binlog::MariadbGtid::kStandalone) != 0;
  auto status = BeginGroup(standalone ? Group::kStandalone : Group::kTransaction);
  if (!status.ok()) return status;
  tx_time_us_ = 0;
  position_.Begin(*gtid);
  // Of a two-phase ALTER, which is logged twice, only the end counts.
  alter_pending_ = (gtid->flags_extra & (binlog::MariadbGtid::kExtraStartAlter |
                                         binlog::MariadbGtid::kExtraRollbackAlter)) != 0;
  return absl::OkStatus();
}

absl::Status Reader::OnQuery(const Event& event) {
  auto query = binlog::ParseQuery(event);
  if (!query.ok()) return query.status();
  if (query->statement == "BEGIN") return OnBegin();
  if (query->statement == "COMMIT") return Commit();
  if (std::exchange(alter_pending_, false)) return Commit();
  return OnOtherQuery(*query);
}

absl::Status Reader::OnBegin() {
  if (group_ == Group::kTransaction && (tx_spilled_ || !tx_.changes.empty())) {
    return Refused("TRANSACTION_UNFINISHED", "",
                   "a transaction begins inside of one that has rows and no end",
                   "The log is damaged: run init_replica for this source.");
  }
  group_ = Group::kTransaction;
  return absl::OkStatus();
}

absl::Status Reader::OnOtherQuery(const binlog::Query& query) {
  using Action = SchemaFollower::Action;
  auto action = schema_->Follow(query, position_.current());
  if (!action.ok()) return action.status();
  for (auto& changed : action->databases) tx_.notes.databases.push_back(std::move(changed));
  switch (action->kind) {
    case Action::kBegin:
      return OnBegin();
    case Action::kCommit:
      return Commit();
    case Action::kRollback:
      return Rollback();
    case Action::kSavepoint:
      return Savepoint(action->name);
    case Action::kRollbackTo:
      return RollbackTo(action->name);
    case Action::kStatementDml:
      return Refused("STATEMENT_FORMAT", std::string(query.database),
                     fmt::format("a {} in database \"{}\" was logged as a statement, not as rows",
                                 action->name, query.database),
                     "Set binlog_format=ROW on the source, reconnect its sessions, and run "
                     "init_replica for this source.");
    case Action::kXaCommit:
      return XaEnd(v1::XaStep::COMMIT, action->name);
    case Action::kXaRollback:
      return XaEnd(v1::XaStep::ROLLBACK, action->name);
    case Action::kChange:
      return PutChange(std::move(action->batch), group_ == Group::kTransaction);
    case Action::kOutside:
      Ignored("statement_ignored:" + action->name, 0);
      return group_ == Group::kTransaction ? absl::OkStatus() : Commit();
    case Action::kBenign:
      if (group_ == Group::kTransaction) return absl::OkStatus();
      Ignored("statement_ignored:" + action->name, 0);
      return Commit();
  }
  return absl::InternalError("unreachable");
}

absl::Status Reader::OnPayload(const Event& event) {
  auto payload = binlog::PayloadReader::Open(event, kPayloadEventBytesMax);
  if (!payload.ok()) return payload.status();
  while (true) {
    auto inner = payload->Next();
    if (!inner.ok()) return inner.status();
    if (!inner->has_value()) return absl::OkStatus();
    header_ = (*inner)->header;
    auto status = Handle(**inner);
    if (!status.ok()) return status;
  }
}

absl::Status Reader::OnTableMap(const Event& event) {
  // The table id is 6 bytes (4 in very old logs); the body decides whether anything changed.
  const size_t id_bytes =
      format_.post_header_lengths.size() >= 19 && format_.post_header_lengths[18] == 6 ? 4 : 6;
  uint64_t id = 0;
  memcpy(&id, event.body.data(), std::min(id_bytes, event.body.size()));
  const auto& cached = maps_[id];
  if (cached.mapped != nullptr && cached.body == event.body && !cached.mapped->not_yet &&
      (cached.mapped->table == nullptr ||
       (!cached.mapped->table->stopped && !tables_->NotYet(*cached.mapped->table)))) {
    return absl::OkStatus();
  }
  auto parsed = binlog::ParseTableMap(event, format_);
  if (!parsed.ok()) return parsed.status();
  auto mapped = std::make_shared<MappedTable>();
  mapped->map = *std::move(parsed);
  std::shared_ptr<TableState> state;
  switch (tables_->Find(mapped->map.schema, mapped->map.table, &state)) {
    case Wanted::kNo:
      break;
    case Wanted::kIgnored:
      state->empty = false;
      break;
    case Wanted::kUnknown:
      Ignored(fmt::format("unknown_table:{}.{}", mapped->map.schema, mapped->map.table), 0);
      unknown_.insert({mapped->map.schema, mapped->map.table});
      break;
    case Wanted::kKnown: {
      mapped->not_yet = tables_->NotYet(*state);
      if (mapped->not_yet) {  // its definition may differ from the copy's
        mapped->copied = std::move(state);
        break;
      }
      LayOutOldTemporals(state->version.def(), &mapped->map);
      auto status = state->reader_codec->CheckTableMap(mapped->map, tables_->is_mariadb());
      if (!status.ok()) {
        StopTable(state, Text(status));
      } else {
        mapped->table = std::move(state);
      }
      break;
    }
  }
  const auto* parent = mapped->table == nullptr ? nullptr : &mapped->table->version.def();
  mapped->cascades = CascadeRulesOf(mapped->map.schema, mapped->map.table, parent, *tables_);
  const size_t erased = std::erase_if(
      mapped->cascades, [&](const CascadeRule& rule) { return tables_->NotYet(*rule.child); });
  if (erased > 0) mapped->not_yet = true;  // what their copies hold already: look again later
  auto& slot = maps_[id];
  slot.body.assign(event.body);
  slot.mapped = std::move(mapped);
  return absl::OkStatus();
}

// `inside`: as a part of the open transaction, behind the rows that it has so far.
absl::Status Reader::PutChange(std::unique_ptr<Batch> batch, bool inside) {
  if (inside && !tx_.empty()) {
    if (auto status = Spill(); !status.ok()) return status;
  }
  maps_.clear();
  if (!inside) position_.Commit();
  group_ = inside ? Group::kTransaction : Group::kNone;
  batch->more = inside;
  tx_spilled_ = inside;
  batch->end = position_.current();
  batch->commits = inside ? 0 : 1;
  batch->commit_time_us = tx_time_us_ != 0 ? tx_time_us_ : int64_t{header_.timestamp} * 1'000'000;
  advanced_ = position_.current();
  if (!inside) batch->notes.Take(&tx_.notes);
  return queue_->PutAlone(std::move(batch));
}

// Inside of the transaction that their rows are in, before its end, so that no position behind them
// is durable without it. Rows that are prepared as XA wait elsewhere: behind their group.
absl::Status Reader::CopyUnknown(bool inside) {
  auto action = schema_->CopyUnknown(std::exchange(unknown_, {}), position_.current());
  if (!action.ok()) return action.status();
  if (action->batch == nullptr) return absl::OkStatus();
  return PutChange(std::move(action->batch), inside);
}

void Reader::StopTable(const std::shared_ptr<TableState>& table, const std::string& reason) {
  spdlog::error("table leaves the replica tbl={} pos={}: {}", table->FullName(),
                PositionText(position_.current()), reason);
  table->Leave(reason);
  tx_.stops.push_back({table, reason});
}

void Reader::Ignored(const std::string& kind, uint64_t table_id) {
  v1::LedgerEntry entry;
  entry.set_table_id(table_id);
  entry.set_kind(kind);
  entry.set_count(1);
  *entry.mutable_example_position() = position_.current();
  tx_.notes.Count(entry);
}

void Reader::PublishStatus() {
  next_publish_ = Clock::now() + kPublishEvery;
  std::lock_guard lock(status_mutex_);
  *status_.mutable_read() = position_.current();
  if (header_.timestamp != 0) {
    status_.set_last_event_time_us(int64_t{header_.timestamp} * 1'000'000);
  }
  status_.set_idle(idle_);
  status_.set_events(events_);
  status_.set_rows(rows_);
  status_.set_queue_bytes(queue_->queued_bytes());
}

v1::StreamStatus Reader::stream_status() const {
  std::lock_guard lock(status_mutex_);
  return status_;
}

}  // namespace chameleon::worker::stream
