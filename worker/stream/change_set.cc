#include "worker/stream/change_set.h"

#include <fmt/format.h>

#include "proto/wire/error.h"

namespace chameleon::worker::stream {
namespace {

using binlog::RowKind;

const char* Name(RowKind kind) {
  switch (kind) {
    case RowKind::kInsert:
      return "insert";
    case RowKind::kUpdate:
      return "update";
    case RowKind::kDelete:
      return "delete";
  }
  return "?";
}

const char* Name(NetChange::State state) {
  switch (state) {
    case NetChange::kGone:
      return "insert and delete";
    case NetChange::kInsert:
      return "insert";
    case NetChange::kUpdate:
      return "update";
    case NetChange::kDelete:
      return "delete";
  }
  return "?";
}

// The table of transitions; false: impossible.
bool Next(NetChange::State now, RowKind kind, NetChange::State* next) {
  switch (now) {
    case NetChange::kGone:
      *next = NetChange::kInsert;
      return kind == RowKind::kInsert;
    case NetChange::kInsert:
      *next = kind == RowKind::kUpdate ? NetChange::kInsert : NetChange::kGone;
      return kind != RowKind::kInsert;
    case NetChange::kUpdate:
      *next = kind == RowKind::kUpdate ? NetChange::kUpdate : NetChange::kDelete;
      return kind != RowKind::kInsert;
    case NetChange::kDelete:
      *next = NetChange::kUpdate;
      return kind == RowKind::kInsert;
  }
  return false;
}

NetChange::State First(RowKind kind) {
  switch (kind) {
    case RowKind::kInsert:
      return NetChange::kInsert;
    case RowKind::kUpdate:
      return NetChange::kUpdate;
    case RowKind::kDelete:
      break;
  }
  return NetChange::kDelete;
}

}  // namespace

ChangeSet::TableChanges& ChangeSet::ChangesOf(const std::shared_ptr<TableState>& table) {
  if (last_ < tables_.size() && tables_[last_].table == table) return tables_[last_];
  for (last_ = 0; last_ < tables_.size(); ++last_) {
    if (tables_[last_].table == table) return tables_[last_];
  }
  tables_.emplace_back().table = table;
  return tables_.back();
}

absl::Status ChangeSet::Merge(TableChanges* changes, RowKind kind, std::string_view key,
                              std::string_view image, const std::shared_ptr<MappedTable>& mapped) {
  auto [it, is_new] = changes->by_key.try_emplace(key, changes->net.size());
  if (is_new) {
    changes->net.push_back({First(kind), mapped, image});
    return absl::OkStatus();
  }
  NetChange& net = changes->net[it->second];
  NetChange::State next;
  if (!Next(net.state, kind, &next)) {
    return Error(
        absl::StatusCode::kDataLoss, "IMPOSSIBLE_CHANGE", changes->table->FullName(),
        fmt::format("table {}: the binary log has an {} of a row right after its {}",
                    changes->table->FullName(), Name(kind), Name(net.state)),
        "The log is damaged or two sources share a server; run init_replica to copy anew.");
  }
  net = {next, mapped, image};
  return absl::OkStatus();
}

absl::Status ChangeSet::Add(const RowChange& change) {
  TableChanges& changes = ChangesOf(change.mapped->table);
  switch (change.kind) {
    case RowKind::kInsert:
      return Merge(&changes, RowKind::kInsert, change.key_after, change.after, change.mapped);
    case RowKind::kDelete:
      return Merge(&changes, RowKind::kDelete, change.key_before, change.before, change.mapped);
    case RowKind::kUpdate:
      break;
  }
  if (change.key_before == change.key_after) {
    return Merge(&changes, RowKind::kUpdate, change.key_after, change.after, change.mapped);
  }
  auto status = Merge(&changes, RowKind::kDelete, change.key_before, change.before, change.mapped);
  if (!status.ok()) return status;
  return Merge(&changes, RowKind::kInsert, change.key_after, change.after, change.mapped);
}

}  // namespace chameleon::worker::stream
