#include "worker/stream/versioned_rows.h"

#include <fmt/format.h>

#include "proto/wire/error.h"
#include "worker/ddl/names.h"

namespace chameleon::worker::stream {
namespace {

using binlog::RowKind;
using binlog::Slice;

// The end of time: TIMESTAMP(6) of MariaDB 10 and of 11, and the transaction id.
bool HasNotEnded(const Slice& row_end) {
  const std::string_view bytes(row_end.data, row_end.size);
  return row_end.state == Slice::kValue &&
         (bytes == std::string_view("\x7f\xff\xff\xff\x0f\x42\x3f", 7) ||
          bytes == std::string_view("\xff\xff\xff\xff\x0f\x42\x3f", 7) ||
          bytes == std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff", 8));
}

int RowEndColumn(const v1::TableDef& def) {
  for (int i = 0; i < def.columns_size(); ++i) {
    if (ddl::LowerName(def.columns(i).name()) == ddl::LowerName(def.row_end_column())) return i;
  }
  return -1;
}

}  // namespace

absl::Status ToPresent(const binlog::RowSlices& before, const binlog::RowSlices& after,
                       RowChange* change, bool* ignored) {
  const auto& def = change->mapped->table->version.def();
  const int column = RowEndColumn(def);
  const auto& image = change->kind == RowKind::kDelete ? before : after;
  const Slice* row_end = column < 0 ? nullptr : &image[static_cast<size_t>(column)];
  // An update that leaves it out leaves it as it is, and history is not updated.
  if (row_end != nullptr && row_end->state == Slice::kAbsent && change->kind == RowKind::kUpdate) {
    *ignored = false;
    return absl::OkStatus();
  }
  if (row_end == nullptr || row_end->state == Slice::kAbsent) {
    const std::string table = change->mapped->table->FullName();
    return Error(absl::StatusCode::kFailedPrecondition, "ROW_IMAGE_INCOMPLETE", table,
                 fmt::format("table {} is system-versioned, and a row image does not tell whether "
                             "its row is a present one",
                             table),
                 "Set binlog_row_image=FULL on the source, for all sessions, then copy the table "
                 "again with sync_tables.");
  }
  const bool present = HasNotEnded(*row_end);
  *ignored = !present && change->kind != RowKind::kUpdate;
  if (!present && change->kind == RowKind::kUpdate) change->kind = RowKind::kDelete;
  return absl::OkStatus();
}

}  // namespace chameleon::worker::stream
