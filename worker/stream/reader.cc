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

constexpr auto kAdvanceEvery = std::chrono::seconds(1);
constexpr auto kPublishEvery = std::chrono::milliseconds(200);
constexpr size_t kPayloadEventBytesMax = size_t{1} << 30;

bool AllPresent(std::string_view bitmap, uint32_t width) {
  for (uint32_t i = 0; i < width; ++i) {
    if ((static_cast<uint8_t>(bitmap[i / 8]) >> (i % 8) & 1) == 0) return false;
  }
  return true;
}

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

}  // namespace

Reader::Reader(const Options& options, LogPosition position, TableRegistry* tables,
               SchemaFollower* schema, BatchQueue* queue)
    : options_(options),
      tables_(tables),
      schema_(schema),
      queue_(queue),
      position_(std::move(position)),
      advanced_(position_.current()) {}

std::string Reader::Where() const {
  return fmt::format("at {}, event {}", PositionText(position_.current()),
                     binlog::EventTypeName(static_cast<uint8_t>(header_.type)));
}

absl::Status Reader::Run(source::EventSource* events) {
  parser_.SetWireChecksum(events->first_rotate_has_checksum());
  while (true) {
    auto raw = events->Next();
    if (!raw.ok()) return raw.status();
    auto event = parser_.Parse(*raw);
    if (!event.ok()) return WithContext(event.status(), Where());
    header_ = event->header;
    position_.Seen(header_);
    ++events_;
    auto status = Handle(*event);
    if (!status.ok()) return absl::IsCancelled(status) ? status : WithContext(status, Where());
    if (Clock::now() >= next_publish_) PublishStatus();
  }
}

absl::Status Reader::Handle(const Event& event) {
  idle_ = false;
  switch (binlog::DispositionOf(event.header)) {
    case Disposition::kRefused:
      return Refused(
          "EVENT_REFUSED", binlog::EventTypeName(static_cast<uint8_t>(header_.type)),
          fmt::format("binary log event {} cannot be carried",
                      binlog::EventTypeName(static_cast<uint8_t>(event.header.type))),
          "Set binlog_format=ROW on the source, for all sessions, and run init_replica.");
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
    case EventType::kXid:
      return Commit();
    case EventType::kXaPrepare:
      return OnXaPrepare(event);
    case EventType::kTransactionPayload:
      return OnPayload(event);
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
  position_.Rotated(rotate->file, rotate->position);
  if (commit_deferred_) {
    commit_deferred_ = false;
    return queue_->Part(&tx_, true, position_.current(), tx_time_us_);
  }
  return absl::OkStatus();
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
  if (now < next_advance_ || group_ != Group::kNone || commit_deferred_) return absl::OkStatus();
  next_advance_ = now + kAdvanceEvery;
  if (SamePosition(advanced_, position_.current())) return absl::OkStatus();
  if (!options_.by_gtid && !position_.AddressableByFile()) return absl::OkStatus();
  advanced_ = position_.current();
  return queue_->Advance(advanced_);
}

absl::Status Reader::OnGtid(const Event& event) {
  auto gtid = binlog::ParseMysqlGtid(event);
  if (!gtid.ok()) return gtid.status();
  tx_time_us_ = static_cast<int64_t>(gtid->commit_time_us);
  position_.Begin(*gtid);
  group_ = Group::kStandalone;  // until a BEGIN
  return absl::OkStatus();
}

absl::Status Reader::OnMariadbGtid(const Event& event) {
  auto gtid = binlog::ParseMariadbGtid(event);
  if (!gtid.ok()) return gtid.status();
  tx_time_us_ = 0;
  position_.Begin(*gtid);
  if ((gtid->flags & (binlog::MariadbGtid::kPreparedXa | binlog::MariadbGtid::kCompletedXa)) != 0) {
    return Refused("XA_TRANSACTION", "", "the source uses a prepared XA transaction",
                   "XA transactions that are prepared and committed apart are not carried.");
  }
  group_ = (gtid->flags & binlog::MariadbGtid::kStandalone) != 0 ? Group::kStandalone
                                                                 : Group::kTransaction;
  // Of a two-phase ALTER, which is logged twice, only the end counts.
  alter_pending_ = (gtid->flags_extra & (binlog::MariadbGtid::kExtraStartAlter |
                                         binlog::MariadbGtid::kExtraRollbackAlter)) != 0;
  return absl::OkStatus();
}

absl::Status Reader::OnQuery(const Event& event) {
  auto query = binlog::ParseQuery(event);
  if (!query.ok()) return query.status();
  if (query->statement == "BEGIN") {
    group_ = Group::kTransaction;
    return absl::OkStatus();
  }
  if (query->statement == "COMMIT") return Commit();
  if (std::exchange(alter_pending_, false)) return Commit();
  return OnOtherQuery(*query);
}

absl::Status Reader::OnOtherQuery(const binlog::Query& query) {
  using Action = SchemaFollower::Action;
  auto action = schema_->Follow(query, position_.current());
  if (!action.ok()) return action.status();
  switch (action->kind) {
    case Action::kBegin:
      group_ = Group::kTransaction;
      return absl::OkStatus();
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
    case Action::kXa:
      return Refused("XA_TRANSACTION", "", "the source uses a prepared XA transaction",
                     "XA transactions that are prepared and committed apart are not carried.");
    case Action::kChange: {
      // Rows before it in the same group (CREATE TABLE … SELECT has none) go first.
      const bool inside = group_ == Group::kTransaction;
      if (inside && !tx_.empty()) {
        auto status = Spill();
        if (!status.ok()) return status;
      }
      maps_.clear();
      if (!inside) position_.Commit();
      group_ = inside ? Group::kTransaction : Group::kNone;
      action->batch->more = inside;
      tx_spilled_ = inside;
      action->batch->end = position_.current();
      action->batch->commits = inside ? 0 : 1;
      action->batch->commit_time_us =
          tx_time_us_ != 0 ? tx_time_us_ : int64_t{header_.timestamp} * 1'000'000;
      advanced_ = position_.current();
      return queue_->PutAlone(std::move(action->batch));
    }
    case Action::kBenign:
      if (group_ == Group::kTransaction) return absl::OkStatus();
      Ignored("statement_ignored:" + action->name, 0);
      return Commit();
  }
  return absl::InternalError("unreachable");
}

absl::Status Reader::OnXaPrepare(const Event& event) {
  auto xa = binlog::ParseXaPrepare(event);
  if (!xa.ok()) return xa.status();
  if (xa->one_phase) return Commit();
  return Refused("XA_TRANSACTION", "", "the source uses a prepared XA transaction",
                 "XA transactions that are prepared and committed apart are not carried.");
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
  if (cached.mapped != nullptr && cached.body == event.body &&
      (cached.mapped->table == nullptr || !cached.mapped->table->stopped)) {
    return absl::OkStatus();
  }
  auto parsed = binlog::ParseTableMap(event, format_);
  if (!parsed.ok()) return parsed.status();
  auto mapped = std::make_shared<MappedTable>();
  mapped->map = *std::move(parsed);
  std::shared_ptr<TableState> state;
  switch (tables_->Find(mapped->map.schema, mapped->map.table, &state)) {
    case Wanted::kNo:
    case Wanted::kIgnored:
      break;
    case Wanted::kUnknown:
      Ignored(fmt::format("unknown_table:{}.{}", mapped->map.schema, mapped->map.table), 0);
      break;
    case Wanted::kKnown: {
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
  if (maps_.size() > 10'000) maps_.clear();  // table ids are never reused: old ones are dead
  auto& slot = maps_[id];
  slot.body.assign(event.body);
  slot.mapped = std::move(mapped);
  return absl::OkStatus();
}

bool Reader::Skips(const TableState& table, RowKind kind) const {
  const auto& lists = options_.skip_events;
  const auto& list = kind == RowKind::kInsert   ? lists.insert()
                     : kind == RowKind::kUpdate ? lists.update()
                                                : lists.delete_();
  const auto& name = table.version.def().name();
  for (const auto& entry : list) {
    if (entry.schema() == name.schema() && (entry.table().empty() || entry.table() == name.table()))
      return true;
  }
  return false;
}

absl::Status Reader::OnRows(const Event& event) {
  auto rows = binlog::ParseRowsEvent(event, format_);
  if (!rows.ok()) return rows.status();
  if (rows->table_id == binlog::kDummyTableId) return absl::OkStatus();
  const auto it = maps_.find(rows->table_id);
  if (it == maps_.end()) {
    return Refused("TABLE_MAP_MISSING", "",
                   fmt::format("rows for table id {} come without a table map", rows->table_id),
                   "The position is not at the beginning of a transaction: run init_replica.");
  }
  const auto mapped = it->second.mapped;
  if (mapped->table == nullptr || mapped->table->stopped) return absl::OkStatus();
  if (Skips(*mapped->table, rows->kind)) return absl::OkStatus();
  if (rows->width != mapped->map.columns.size()) {
    return Refused("TABLE_MAP_MISMATCH", mapped->table->FullName(),
                   fmt::format("table {}: rows of {} columns after a table map of {}",
                               mapped->table->FullName(), rows->width, mapped->map.columns.size()),
                   "The log is damaged: run init_replica for this source.");
  }
  const bool full =
      !rows->partial_json &&
      (rows->kind == RowKind::kInsert || AllPresent(rows->present_before, rows->width)) &&
      (rows->kind == RowKind::kDelete || AllPresent(rows->present_after, rows->width));
  if (!full) {
    StopTable(mapped->table,
              fmt::format("a session of the source logs incomplete row images ({}); set "
                          "binlog_row_image=FULL and binlog_row_value_options='' for all",
                          Where()));
    return absl::OkStatus();
  }
  return ReadRows(*rows, mapped);
}

absl::Status Reader::ReadRows(const binlog::RowsEvent& rows,
                              const std::shared_ptr<MappedTable>& mapped) {
  binlog::RowCursor cursor(mapped->map, rows);
  const auto& codec = *mapped->table->reader_codec;
  std::string key;
  while (!cursor.AtEnd()) {
    auto status = cursor.Next(&before_, &after_);
    if (!status.ok()) return WithContext(status, "table " + mapped->table->FullName());
    RowChange change{.mapped = mapped, .kind = rows.kind};
    if (rows.kind != RowKind::kInsert) {
      key.clear();
      status = codec.AppendKey(before_, &key);
      if (!status.ok()) {
        StopTable(mapped->table, Text(status));
        return absl::OkStatus();
      }
      change.key_before = tx_.arena.Copy(key);
    }
    if (rows.kind != RowKind::kDelete) {
      key.clear();
      status = codec.AppendKey(after_, &key);
      if (!status.ok()) {
        StopTable(mapped->table, Text(status));
        return absl::OkStatus();
      }
      const bool same_key = rows.kind == RowKind::kUpdate && key == change.key_before;
      change.key_after = same_key ? change.key_before : tx_.arena.Copy(key);
      change.after = tx_.arena.Copy(cursor.last_after());
    }
    // An update's before image is needed only when it deletes another key.
    if (rows.kind == RowKind::kDelete || change.key_before != change.key_after) {
      change.before = tx_.arena.Copy(cursor.last_before());
    }
    tx_.changes.push_back(std::move(change));
    ++tx_.changes_read;
    ++rows_;
    if (tx_.changes.size() >= options_.limits.rows_max ||
        tx_.arena.bytes() >= options_.limits.bytes_max) {
      status = Spill();
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Reader::Spill() {
  for (auto& savepoint : savepoints_) savepoint.spilled = true;
  tx_spilled_ = true;
  return queue_->Part(&tx_, false, position_.current(), 0);
}

absl::Status Reader::Commit() {
  position_.Commit();
  group_ = Group::kNone;
  savepoints_.clear();
  const int64_t time_us = tx_time_us_ != 0 ? tx_time_us_ : int64_t{header_.timestamp} * 1'000'000;
  const bool spilled = std::exchange(tx_spilled_, false);
  if (!options_.by_gtid && !position_.AddressableByFile() && (spilled || !tx_.empty())) {
    commit_deferred_ = true;
    tx_time_us_ = time_us;
    return queue_->Part(&tx_, false, position_.current(), 0);
  }
  tx_time_us_ = 0;
  if (!spilled && tx_.empty()) return AdvanceIfDue();  // nothing of ours in it
  advanced_ = position_.current();
  next_advance_ = Clock::now() + kAdvanceEvery;
  if (spilled) return queue_->Part(&tx_, true, advanced_, time_us);
  return queue_->Commit(&tx_, advanced_, time_us);
}

// Rows of tables that cannot roll back stay.
void Reader::UndoSince(size_t first) {
  const auto undone = [](const RowChange& change) {
    return change.mapped->table->version.def().transactional();
  };
  auto& changes = tx_.changes;
  changes.erase(std::remove_if(changes.begin() + first, changes.end(), undone), changes.end());
}

absl::Status Reader::Rollback() {
  if (tx_spilled_) {
    return Refused("ROLLBACK_AFTER_PARTS", "",
                   "a transaction whose rows were logged is rolled back",
                   "Run init_replica for this source.");
  }
  UndoSince(0);
  return Commit();
}

absl::Status Reader::Savepoint(const std::string& name) {
  std::erase_if(savepoints_, [&](const SavepointMark& mark) { return mark.name == name; });
  savepoints_.push_back({name, tx_.changes.size(), false});
  return absl::OkStatus();
}

absl::Status Reader::RollbackTo(const std::string& name) {
  for (size_t i = savepoints_.size(); i-- > 0;) {
    if (savepoints_[i].name != name) continue;
    if (savepoints_[i].spilled) {
      return Refused(
          "ROLLBACK_AFTER_PARTS", name,
          fmt::format("ROLLBACK TO SAVEPOINT {} undoes rows that were sent already", name),
          "Raise replica_batch_size above the size of such transactions and run "
          "init_replica for this source.");
    }
    UndoSince(savepoints_[i].changes);
    savepoints_.resize(i + 1);
    return absl::OkStatus();
  }
  return Refused(
      "UNKNOWN_SAVEPOINT", name,
      fmt::format("ROLLBACK TO SAVEPOINT {}: no such savepoint in this transaction", name),
      "The log is damaged: run init_replica for this source.");
}

void Reader::StopTable(const std::shared_ptr<TableState>& table, const std::string& reason) {
  spdlog::error("table leaves the replica tbl={} pos={}: {}", table->FullName(),
                PositionText(position_.current()), reason);
  table->stopped = true;
  tx_.stops.push_back({table, reason});
}

void Reader::Ignored(const std::string& kind, uint64_t table_id) {
  v1::LedgerEntry entry;
  entry.set_table_id(table_id);
  entry.set_kind(kind);
  entry.set_count(1);
  *entry.mutable_example_position() = position_.current();
  queue_->Ledger(entry);
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
