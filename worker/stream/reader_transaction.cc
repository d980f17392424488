// Reader's transactions: their end, their savepoints, their parts.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "proto/wire/error.h"
#include "proto/wire/position.h"
#include "worker/stream/reader.h"

namespace chameleon::worker::stream {
namespace {

using Clock = std::chrono::steady_clock;

absl::Status Refused(std::string_view reason, std::string_view object, std::string text,
                     std::string_view hint) {
  return Error(absl::StatusCode::kDataLoss, reason, object, text, hint);
}

uint32_t WordAt(const std::string& bytes, size_t at) {
  uint32_t word = 0;
  for (size_t i = 4; i-- > 0;) word = word << 8 | static_cast<uint8_t>(bytes[at + i]);
  return word;
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return text;
}

// As XA RECOVER and the log write it: X'7831',X'62',7.
std::string XidText(const std::string& xid) {
  constexpr size_t kHead = 12;
  if (xid.size() < kHead || WordAt(xid, 4) > xid.size() - kHead) return "X'" + Hex(xid) + "'";
  const std::string_view data = std::string_view(xid).substr(kHead);
  return fmt::format("X'{}',X'{}',{}", Hex(data.substr(0, WordAt(xid, 4))),
                     Hex(data.substr(WordAt(xid, 4))), WordAt(xid, 0));
}

}  // namespace

absl::Status Reader::Spill() {
  for (auto& savepoint : savepoints_) savepoint.spilled = true;
  tx_spilled_ = true;
  rows_spilled_ |= !tx_.changes.empty();
  return queue_->Part(&tx_, false, position_.current(), 0);
}

absl::Status Reader::BeginGroup(Group group) {
  if (auto status = DropUnfinished(); !status.ok()) return status;
  // Table ids are never reused: old ones are dead. Those of an open group are not.
  constexpr size_t kMapsMax = 10'000;
  if (maps_.size() > kMapsMax) maps_.clear();
  group_ = group;
  statement_.clear();
  return absl::OkStatus();
}

// A group that has no end: the source died while it was writing it, and has rolled it back. Its
// rows must not become the next transaction's. Tables that left the replica in it have left.
absl::Status Reader::DropUnfinished() {
  if (std::exchange(group_, Group::kNone) == Group::kNone) return absl::OkStatus();
  if (tx_spilled_ || !tx_.changes.empty()) {
    spdlog::warn("the source did not finish a transaction: it is not applied pos={}",
                 PositionText(position_.current()));
  }
  alter_pending_ = false;
  if (tx_spilled_) {
    return Refused("ROLLBACK_AFTER_PARTS", "",
                   "a transaction without an end, whose rows were sent already",
                   "Run init_replica for this source.");
  }
  cascade_.Take();
  tx_.changes.clear();
  tx_.changes_read = 0;
  tx_.moves_incomplete_rows = false;
  tx_.arena.Clear();
  savepoints_.clear();
  copied_.clear();
  unknown_.clear();
  return absl::OkStatus();
}

absl::Status Reader::Commit() {
  if (auto status = FlushCascade(); !status.ok()) return status;
  if (!unknown_.empty()) {
    if (auto status = CopyUnknown(/*inside=*/true); !status.ok()) return status;
  }
  const int64_t time_us = EndGroup();
  const bool spilled = std::exchange(tx_spilled_, false);
  rows_spilled_ = false;
  if (!CanEndHere() && (spilled || !tx_.empty())) return Defer(time_us, {});
  if (!spilled && tx_.empty()) return AdvanceIfDue();  // nothing of ours in it
  Ended();
  if (spilled) return queue_->Part(&tx_, true, advanced_, time_us);
  return queue_->Commit(&tx_, advanced_, time_us);
}

// The group is over: its position is ours. Returns its commit time.
int64_t Reader::EndGroup() {
  position_.Commit();
  group_ = Group::kNone;
  savepoints_.clear();
  copied_.clear();
  const int64_t time_us = std::exchange(tx_time_us_, 0);
  return time_us != 0 ? time_us : int64_t{header_.timestamp} * 1'000'000;
}

bool Reader::CanEndHere() const { return options_.by_gtid || position_.AddressableByFile(); }

void Reader::Ended() {
  advanced_ = position_.current();
  next_advance_ = Clock::now() + kAdvanceEvery;
}

// The batch stays open until a place comes that a restart can ask for: see OnRotate.
absl::Status Reader::Defer(int64_t time_us, v1::XaStep xa) {
  commit_deferred_ = true;
  tx_time_us_ = time_us;
  deferred_xa_ = std::move(xa);
  return queue_->Part(&tx_, false, position_.current(), 0);
}

absl::Status Reader::EndDeferred() {
  if (!std::exchange(commit_deferred_, false)) return absl::OkStatus();
  Ended();
  const auto xa = std::exchange(deferred_xa_, {});
  return EndWith(xa, std::exchange(tx_time_us_, 0));
}

// ---- XA: rows that are prepared wait in the coordinator, whatever happens to us ----

absl::Status Reader::OnXaPrepare(const binlog::Event& event) {
  auto prepare = binlog::ParseXaPrepare(event);
  if (!prepare.ok()) return prepare.status();
  if (prepare->one_phase) return Commit();
  if (prepared_.contains(prepare->xid)) {
    return Refused(
        "XA_UNKNOWN", XidText(prepare->xid),
        fmt::format("XA transaction {} is prepared a second time", XidText(prepare->xid)),
        "Run init_replica for this source.");
  }
  if (auto status = FlushCascade(); !status.ok()) return status;
  // MySQL shows prepared transactions only to those who may see them: whether this one ended before
  // the copy was made, nobody knows. On MariaDB nothing was prepared then.
  for (const auto& table : copied_) {
    if (tables_->is_mariadb() || table->stopped) continue;
    StopTable(table,
              fmt::format("its rows were prepared as XA transaction {} before it was copied; "
                          "run sync_tables when that has ended",
                          XidText(prepare->xid)));
  }
  v1::XaStep step;
  step.set_kind(v1::XaStep::PREPARE);
  step.set_xid(prepare->xid);
  return EndXa(std::move(step));
}

absl::Status Reader::XaEnd(v1::XaStep::Kind kind, const std::string& xid) {
  const auto it = prepared_.find(xid);
  if (it == prepared_.end()) {
    return Refused(
        "XA_UNKNOWN", XidText(xid),
        fmt::format("XA transaction {} ends, but its rows are not known: it was prepared "
                    "before the copy",
                    XidText(xid)),
        "Run init_replica for this source.");
  }
  const uint32_t parts = it->second;
  v1::XaStep step;
  step.set_kind(kind);
  step.set_xid(xid);
  if (kind == v1::XaStep::COMMIT) {
    step.set_parts(parts);
    for (uint32_t part = 1; part < parts; ++part) {
      step.set_part(part);
      auto status = queue_->Part(&tx_, false, position_.current(), 0, &step);
      if (!status.ok()) return status;
    }
    step.set_part(parts);
  }
  return EndXa(std::move(step));
}

absl::Status Reader::EndXa(v1::XaStep step) {
  const int64_t time_us = EndGroup();
  if (!CanEndHere()) return Defer(time_us, std::move(step));
  Ended();
  return EndWith(step, time_us);
}

absl::Status Reader::EndWith(const v1::XaStep& xa, int64_t time_us) {
  tx_spilled_ = rows_spilled_ = false;
  const bool plain = xa.kind() == v1::XaStep::KIND_UNSPECIFIED;
  auto status = queue_->Part(&tx_, true, advanced_, time_us, plain ? nullptr : &xa);
  if (xa.kind() == v1::XaStep::PREPARE) {
    prepared_[xa.xid()] = queue_->parts();
  } else if (!plain) {
    prepared_.erase(xa.xid());
  }
  return status;
}

// Rows of tables that cannot roll back stay.
void Reader::UndoSince(size_t first) {
  const auto undone = [](const RowChange& change) {
    return change.mapped->table->version.def().transactional();
  };
  auto& changes = tx_.changes;
  changes.erase(std::remove_if(changes.begin() + first, changes.end(), undone), changes.end());
}

// What a definition has become stays: MariaDB ends the DROP of a CREATE OR REPLACE … SELECT that
// has failed with a ROLLBACK.
absl::Status Reader::Rollback() {
  if (rows_spilled_) {
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

}  // namespace chameleon::worker::stream
