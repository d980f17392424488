#include "worker/stream/incomplete_rows.h"

#include <fmt/format.h>

#include "proto/wire/error.h"
#include "worker/encode/json_diff.h"

namespace chameleon::worker::stream {
namespace {

using binlog::RowKind;
using binlog::RowSlices;
using binlog::Slice;

bool AllPresent(std::string_view bitmap, uint32_t width) {
  for (uint32_t i = 0; i < width; ++i) {
    if ((static_cast<uint8_t>(bitmap[i / 8]) >> (i % 8) & 1) == 0) return false;
  }
  return true;
}

absl::Status Unknown(const v1::TableVersion& version, int column, std::string_view why) {
  const auto& name = version.def().name();
  return Error(absl::StatusCode::kFailedPrecondition, "ROW_IMAGE_INCOMPLETE",
               fmt::format("{}.{}", name.schema(), name.table()),
               fmt::format("table {}.{}: the new value of column {} is not in the log ({})",
                           name.schema(), name.table(), version.def().columns(column).name(), why),
               "Set binlog_row_image=FULL on the source, for all sessions, then copy the table "
               "again with sync_tables.");
}

// A generated column changes without being named; what the log leaves out is not known.
bool IsComputed(const v1::TableVersion& version, int column) {
  if (column >= version.def().columns_size()) return false;  // a hash of MariaDB's
  return !version.plan().columns(column).omitted() &&
         version.def().columns(column).generated() != v1::GENERATED_NONE;
}

}  // namespace

bool IsComplete(const binlog::RowsEvent& rows) {
  return !rows.partial_json &&
         (rows.kind == RowKind::kInsert || AllPresent(rows.present_before, rows.width)) &&
         (rows.kind == RowKind::kDelete || AllPresent(rows.present_after, rows.width));
}

absl::Status CompleteUpdate(const v1::TableVersion& version, const RowSlices& before,
                            RowSlices* after, std::deque<std::string>* documents) {
  for (size_t i = 0; i < after->size(); ++i) {
    Slice& value = (*after)[i];
    const int column = static_cast<int>(i);
    if (value.state == Slice::kAbsent) {
      value = before[i];
      if (value.state == Slice::kAbsent && IsComputed(version, column)) {
        return Unknown(version, column, "a generated column");
      }
    } else if (value.json_diff) {
      if (before[i].state != Slice::kValue) {
        return Unknown(version, column,
                       "a partial JSON update, whose document the row image leaves out");
      }
      auto document =
          encode::ApplyJsonDiffs({before[i].data, before[i].size}, {value.data, value.size});
      if (absl::IsDataLoss(document.status())) return document.status();
      if (!document.ok()) return Unknown(version, column, Text(document.status()));
      const std::string& kept = documents->emplace_back(*std::move(document));
      value = {kept.data(), static_cast<uint32_t>(kept.size()), Slice::kValue, false};
    }
  }
  return absl::OkStatus();
}

bool MayBeReplace(const v1::TableVersion& version, const RowSlices& after) {
  bool lacks = false;
  for (size_t i = 0; i < after.size(); ++i) {
    const bool absent = after[i].state == Slice::kAbsent;
    const int column = static_cast<int>(i);
    const bool is_key =
        column < version.plan().columns_size() && version.plan().columns(column).is_key();
    if (absent && is_key) return false;
    lacks |= absent;
  }
  return lacks;
}

absl::Status ReplaceOrNot(const v1::TableVersion& version) {
  const auto& name = version.def().name();
  return Error(absl::StatusCode::kFailedPrecondition, "ROW_IMAGE_INCOMPLETE",
               fmt::format("{}.{}", name.schema(), name.table()),
               fmt::format("table {}.{}: columns that an update leaves out of the log have kept "
                           "their values, or taken their defaults if it was a REPLACE, and the "
                           "statement is not in the log",
                           name.schema(), name.table()),
               "Set binlog_row_image=FULL or binlog_annotate_row_events=ON on the source, for all "
               "sessions, then copy the table again with sync_tables.");
}

absl::Status CheckInsert(const v1::TableVersion& version, const RowSlices& after) {
  for (size_t i = 0; i < after.size(); ++i) {
    const int column = static_cast<int>(i);
    if (after[i].state == Slice::kAbsent && IsComputed(version, column)) {
      return Unknown(version, column, "a generated column");
    }
  }
  return absl::OkStatus();
}

}  // namespace chameleon::worker::stream
