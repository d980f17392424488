// Reader's rows events: images as they come, or completed, into the open transaction.
#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "proto/wire/error.h"
#include "worker/ddl/parser.h"
#include "worker/stream/incomplete_rows.h"
#include "worker/stream/reader.h"
#include "worker/stream/versioned_rows.h"

namespace chameleon::worker::stream {
namespace {

using binlog::RowKind;
using binlog::Slice;

absl::Status Damaged(std::string_view reason, std::string_view table, std::string text,
                     std::string_view hint) {
  return Error(absl::StatusCode::kDataLoss, reason, table, text, hint);
}

constexpr size_t kStatementHead = 1024;

// An update's before image is needed only when it deletes another key.
bool NeedsBefore(const RowChange& change) {
  return change.kind == RowKind::kDelete ||
         (change.kind == RowKind::kUpdate && change.key_before != change.key_after);
}

}  // namespace

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

// Its body is the statement, of which the beginning says what it is.
absl::Status Reader::OnAnnotate(const binlog::Event& event) {
  statement_ = event.body.substr(0, kStatementHead);
  return absl::OkStatus();
}

// A REPLACE, LOAD DATA … REPLACE included? Nothing: the source did not annotate it.
std::optional<bool> Reader::IsReplace() const {
  if (statement_.empty()) return std::nullopt;
  const auto parsed = ddl::Parse(statement_, {.server = ddl::ServerKind::kMariadb});
  const auto* dml = std::get_if<ddl::Dml>(&parsed);
  if (dml == nullptr) return std::nullopt;
  return dml->kind == "REPLACE" || dml->kind == "LOAD";
}

absl::Status Reader::OnRows(const binlog::Event& event) {
  auto rows = binlog::ParseRowsEvent(event, format_);
  if (!rows.ok()) return rows.status();
  auto status = OnRows(*rows);
  if ((rows->flags & binlog::kRowsStmtEnd) != 0) statement_.clear();
  return status;
}

absl::Status Reader::OnRows(const binlog::RowsEvent& rows) {
  if (rows.table_id == binlog::kDummyTableId) return absl::OkStatus();
  const auto it = maps_.find(rows.table_id);
  if (it == maps_.end()) {
    return Damaged("TABLE_MAP_MISSING", "",
                   fmt::format("rows for table id {} come without a table map", rows.table_id),
                   "The position is not at the beginning of a transaction: run init_replica.");
  }
  const auto mapped = it->second.mapped;
  const bool cascades = MayCascade(rows) && !mapped->cascades.empty();
  // Rows of anything else come after what the engine did for the last ones.
  if (!cascade_.empty() &&
      (!cascades || cascade_table_id_ != rows.table_id || cascade_kind_ != rows.kind)) {
    auto status = FlushCascade();
    if (!status.ok()) return status;
  }
  if (mapped->table == nullptr || mapped->table->stopped) {
    if (cascades) StopChildren(*mapped, rows.kind);
    if (mapped->copied != nullptr) copied_.insert(mapped->copied);
    return absl::OkStatus();
  }
  mapped->table->empty = false;
  if (!cascades && Skips(*mapped->table, rows.kind)) return absl::OkStatus();
  if (rows.width != mapped->map.columns.size()) {
    return Damaged("TABLE_MAP_MISMATCH", mapped->table->FullName(),
                   fmt::format("table {}: rows of {} columns after a table map of {}",
                               mapped->table->FullName(), rows.width, mapped->map.columns.size()),
                   "The log is damaged: run init_replica for this source.");
  }
  cascade_table_id_ = rows.table_id;
  cascade_kind_ = rows.kind;
  auto status = TakeRows(rows, mapped);
  if (status.ok() && (rows.flags & binlog::kRowsStmtEnd) != 0) status = FlushCascade();
  return status;
}

absl::Status Reader::TakeRows(const binlog::RowsEvent& rows,
                              const std::shared_ptr<MappedTable>& mapped) {
  binlog::RowCursor cursor(mapped->map, rows);
  const bool complete = IsComplete(rows);
  const bool cascades = MayCascade(rows) && !mapped->cascades.empty();
  const bool skipped = cascades && Skips(*mapped->table, rows.kind);
  while (!cursor.AtEnd()) {
    RowChange change{.mapped = mapped, .kind = rows.kind};
    auto status = cursor.Next(&before_, &after_);
    bool ignored = false;
    if (status.ok() && mapped->table->version.def().system_versioned()) {
      status = ToPresent(before_, after_, &change, &ignored);
    }
    if (status.ok()) {
      if (ignored) continue;
      const bool replaced = !complete && rows.kind == RowKind::kUpdate && tables_->is_mariadb() &&
                            MayBeReplace(mapped->table->version, after_) &&
                            IsReplace().value_or(true);
      status = replaced   ? TakeReplaced(mapped, &change)
               : complete ? TakeRow(cursor, &change)
                          : TakeIncompleteRow(&change);
    }
    if (cascades) Derive(*mapped, change.kind, status);
    if (absl::IsFailedPrecondition(status)) {
      StopTable(mapped->table, Text(status));
      return absl::OkStatus();
    }
    if (!status.ok()) return WithContext(status, "table " + mapped->table->FullName());
    if (skipped) continue;
    tx_.changes.push_back(std::move(change));
    ++tx_.changes_read;
    ++rows_;
    if (tx_.changes.size() >= options_.limits.rows_max ||
        tx_.arena.bytes() >= options_.limits.bytes_max ||
        cascade_.bytes() >= options_.limits.bytes_max) {
      status = cascade_.empty() ? Spill() : FlushCascade();
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// What the engine did to the children of the row in before_ and after_.
void Reader::Derive(const MappedTable& mapped, RowKind kind, const absl::Status& readable) {
  if (!readable.ok()) return StopChildren(mapped, kind);
  const bool is_delete = kind == RowKind::kDelete;
  for (const CascadeRule& rule : mapped.cascades) {
    if (rule.child->stopped || !(is_delete ? rule.deletes : rule.updates)) continue;
    if (!cascade_.Add(rule, mapped.table.get(), mapped.map, before_,
                      is_delete ? nullptr : &after_)) {
      StopChild(mapped, rule);
    }
  }
}

void Reader::StopChildren(const MappedTable& mapped, RowKind kind) {
  for (const CascadeRule& rule : mapped.cascades) {
    if (!rule.child->stopped && (kind == RowKind::kDelete ? rule.deletes : rule.updates)) {
      StopChild(mapped, rule);
    }
  }
}

// What the engine did to a child is not known, and so neither what that did to the child's
// children.
void Reader::StopChild(const MappedTable& mapped, const CascadeRule& rule) {
  // Where the parent is copied again, or has just been, the children must be, too.
  std::shared_ptr<TableState> parent;
  const bool copied =
      mapped.copied != nullptr ||
      (tables_->Find(mapped.map.schema, mapped.map.table, &parent) == Wanted::kIgnored &&
       parent->IsToBeCopied());
  const std::string reason = fmt::format(
      "{}rows of {}.{} were changed on the source, which may change rows of {} through a foreign "
      "key without logging them; which ones cannot be told here",
      copied ? kRecopyReason : "", mapped.map.schema, mapped.map.table, rule.child->FullName());
  std::vector<std::shared_ptr<TableState>> concerned = {rule.child};
  while (!concerned.empty()) {
    const auto table = std::move(concerned.back());
    concerned.pop_back();
    if (table->stopped || tables_->NotYet(*table)) continue;
    StopTable(table, reason);
    const auto& name = table->version.def().name();
    for (auto& next : CascadeRulesOf(name.schema(), name.table(), nullptr, *tables_)) {
      concerned.push_back(std::move(next.child));
    }
  }
}

// Sends the parent's rows, then the children's, as parts of one transaction.
absl::Status Reader::FlushCascade() {
  if (cascade_.empty()) return absl::OkStatus();
  auto status = Spill();
  for (auto& group : cascade_.Take()) {
    if (!status.ok()) return status;
    auto batch = std::make_unique<Batch>();
    batch->ready_lines = std::move(group.lines);
    batch->ready_rows = group.rows;
    batch->more = true;
    status = queue_->PutAlone(std::move(batch));
  }
  return status;
}

// The keys of before_ and after_, as far as the kind of change has them.
absl::Status Reader::TakeKeys(RowChange* change) {
  const auto& codec = *change->mapped->table->reader_codec;
  if (change->kind != RowKind::kInsert) {
    key_.clear();
    auto status = codec.AppendKey(before_, &key_);
    if (!status.ok()) return status;
    change->key_before = tx_.arena.Copy(key_);
  }
  if (change->kind != RowKind::kDelete) {
    key_.clear();
    auto status = codec.AppendKey(after_, &key_);
    if (!status.ok()) return status;
    const bool same_key = change->kind == RowKind::kUpdate && key_ == change->key_before;
    change->key_after = same_key ? change->key_before : tx_.arena.Copy(key_);
  }
  return absl::OkStatus();
}

absl::Status Reader::TakeRow(const binlog::RowCursor& cursor, RowChange* change) {
  auto status = TakeKeys(change);
  if (!status.ok()) return status;
  if (change->kind != RowKind::kDelete) change->after = tx_.arena.Copy(cursor.last_after());
  if (NeedsBefore(*change)) change->before = tx_.arena.Copy(cursor.last_before());
  return absl::OkStatus();
}

// The row that was there goes, and the new one comes with its defaults: `change` becomes the
// latter.
absl::Status Reader::TakeReplaced(const std::shared_ptr<MappedTable>& mapped, RowChange* change) {
  if (!IsReplace()) return ReplaceOrNot(mapped->table->version);
  RowChange gone{.mapped = mapped, .kind = RowKind::kDelete};
  auto status = TakeIncompleteRow(&gone);
  change->kind = RowKind::kInsert;
  if (status.ok()) status = TakeIncompleteRow(change);
  if (status.ok()) tx_.changes.push_back(std::move(gone));
  return status;
}

absl::Status Reader::TakeIncompleteRow(RowChange* change) {
  const auto& version = change->mapped->table->version;
  const auto& map = change->mapped->map;
  std::deque<std::string> documents;
  absl::Status status;
  if (change->kind == RowKind::kUpdate) {
    status = CompleteUpdate(version, before_, &after_, &documents);
  } else if (change->kind == RowKind::kInsert) {
    status = CheckInsert(version, after_);
  }
  if (status.ok()) status = TakeKeys(change);
  if (!status.ok()) return status;
  std::string present, image;
  if (change->kind != RowKind::kDelete) {
    binlog::JoinImage(map, after_, /*absent_as_null=*/false, &present, &image);
    change->after = tx_.arena.Copy(image);
    const auto absent = [](const Slice& slice) { return slice.state == Slice::kAbsent; };
    if (std::any_of(after_.begin(), after_.end(), absent)) {
      change->present = change->mapped->PresentColumns(present);
      tx_.moves_incomplete_rows |= change->MovesIncompleteRow();
    }
  }
  if (NeedsBefore(*change)) {
    // Of what is deleted only the key is used.
    binlog::JoinImage(map, before_, /*absent_as_null=*/true, &present, &image);
    change->before = tx_.arena.Copy(image);
  }
  return absl::OkStatus();
}

}  // namespace chameleon::worker::stream
