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

// `image` is incomplete: what it does not have is in the images below it.
void ChangeSet::LayOver(TableChanges* changes, const Image& image,
                        const std::shared_ptr<MappedTable>& mapped, NetChange* net) {
  auto& layers = changes->layers;
  if (net->layer == 0 && !net->image.empty()) {
    layers.push_back({net->mapped, nullptr, net->image, {}, 0});
    net->layer = static_cast<uint32_t>(layers.size());
  }
  layers.push_back({mapped, image.present, image.bytes, image.before, net->layer});
  net->layer = static_cast<uint32_t>(layers.size());
}

absl::Status ChangeSet::Merge(TableChanges* changes, RowKind kind, std::string_view key,
                              const Image& image, const std::shared_ptr<MappedTable>& mapped) {
  auto [it, is_new] = changes->by_key.try_emplace(key, changes->net.size());
  NetChange fresh{.state = First(kind), .mapped = mapped, .image = image.bytes};
  if (is_new) {
    if (image.present != nullptr) {
      fresh.whole = kind == RowKind::kInsert;
      fresh.image = {};
      LayOver(changes, image, mapped, &fresh);
    }
    changes->net.push_back(std::move(fresh));
    return absl::OkStatus();
  }
  NetChange& net = changes->net[it->second];
  if (!Next(net.state, kind, &fresh.state) && changes->table->lenient) {
    // What was between was skipped: an insert replaces the row, any other change is lost.
    if (kind != RowKind::kInsert) return absl::OkStatus();
    fresh.state = NetChange::kInsert;
  } else if (!Next(net.state, kind, &fresh.state)) {
    return Error(
        absl::StatusCode::kDataLoss, "IMPOSSIBLE_CHANGE", changes->table->FullName(),
        fmt::format("table {}: the binary log has an {} of a row right after its {}",
                    changes->table->FullName(), Name(kind), Name(net.state)),
        "The log is damaged or two sources share a server; run init_replica to copy anew.");
  }
  if (image.present == nullptr) {
    net = std::move(fresh);
  } else if (kind == RowKind::kUpdate) {
    net.state = fresh.state;
    LayOver(changes, image, mapped, &net);
  } else {  // an insert after a delete: nothing of the old row is left
    fresh.image = {};
    LayOver(changes, image, mapped, &fresh);
    net = std::move(fresh);
  }
  return absl::OkStatus();
}

bool ChangeSet::Fits(const RowChange& change) const {
  for (const TableChanges& changes : tables_) {
    if (changes.table != change.mapped->table) continue;
    const auto& keys = changes.by_key;
    if (change.MovesIncompleteRow()) {
      return !keys.contains(change.key_before) && !keys.contains(change.key_after) &&
             !changes.moved.contains(change.key_before) &&
             !changes.moved.contains(change.key_after);
    }
    return changes.moved.empty() || (!changes.moved.contains(change.key_before) &&
                                     !changes.moved.contains(change.key_after));
  }
  return true;
}

absl::Status ChangeSet::Add(const RowChange& change) {
  TableChanges& changes = ChangesOf(change.mapped->table);
  switch (change.kind) {
    case RowKind::kInsert:
      return Merge(&changes, RowKind::kInsert, change.key_after, {change.after, change.present},
                   change.mapped);
    case RowKind::kDelete:
      return Merge(&changes, RowKind::kDelete, change.key_before, {change.before}, change.mapped);
    case RowKind::kUpdate:
      break;
  }
  if (change.key_before == change.key_after) {
    return Merge(&changes, RowKind::kUpdate, change.key_after, {change.after, change.present},
                 change.mapped);
  }
  if (change.present != nullptr) {
    if (!Fits(change)) return absl::InternalError("an incomplete row is moved onto netted changes");
    changes.moved.insert(change.key_before);
    changes.moved.insert(change.key_after);
    return Merge(&changes, RowKind::kUpdate, change.key_after,
                 {change.after, change.present, change.before}, change.mapped);
  }
  auto status =
      Merge(&changes, RowKind::kDelete, change.key_before, {change.before}, change.mapped);
  if (!status.ok()) return status;
  return Merge(&changes, RowKind::kInsert, change.key_after, {change.after}, change.mapped);
}

}  // namespace chameleon::worker::stream
