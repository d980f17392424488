// Cutting row images. Image: [PARTIAL_UPDATE_ROWS, after: options lenenc; if 1, a bit per JSON
// column of the table, present or not], null bitmap over the present columns, their values.
#include <fmt/format.h>

#include <bit>

#include "proto/wire/error.h"
#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/damage.h"
#include "worker/binlog/row_image.h"
#include "worker/binlog/rows_header.h"

namespace chameleon::worker::binlog {
namespace {

size_t CountBits(std::string_view bitmap, size_t width) {
  size_t count = 0;
  for (size_t i = 0; i < width / 8; ++i) {
    count += static_cast<size_t>(std::popcount(static_cast<uint8_t>(bitmap[i])));
  }
  for (size_t i = width / 8 * 8; i < width; ++i) count += Bit(bitmap, i) ? 1 : 0;
  return count;
}

absl::Status BadRow(const TableMap& map, std::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "EVENT_DAMAGED",
               fmt::format("{}.{}", map.schema, map.table),
               fmt::format("table {}.{}: {}", map.schema, map.table, what),
               "Check the source's log with mysqlbinlog --verify-binlog-checksum; if it is damaged "
               "there, copy the source again with init_replica.");
}

absl::Status BadColumn(const TableMap& map, size_t column, std::string_view what) {
  return BadRow(
      map, fmt::format("row image, column {} of {} (type {}): {}", column + 1, map.columns.size(),
                       static_cast<unsigned>(map.columns[column].type), what));
}

// Which JSON columns of an after image hold diffs.
struct PartialJson {
  std::string_view bits;  // empty: none
  size_t next = 0;

  bool NextIsDiff() { return !bits.empty() && Bit(bits, next++); }
};

absl::Status ReadPartialHead(const TableMap& map, std::string_view* image, PartialJson* out) {
  constexpr uint64_t kPartialJsonUpdates = 1;
  ByteCursor in(*image);
  uint64_t options = in.Lenenc();
  if (!in.ok() || (options & ~kPartialJsonUpdates) != 0) {
    return BadRow(map, fmt::format("row image: value options {}", options));
  }
  if (options == kPartialJsonUpdates) {
    size_t json_columns = 0;
    for (const ColumnMap& column : map.columns) json_columns += column.type == ColumnType::kJson;
    out->bits = in.Bytes((json_columns + 7) / 8);
    if (!in.ok()) return BadRow(map, "row image: the partial bitmap is cut off");
  }
  image->remove_prefix(in.offset());
  return absl::OkStatus();
}

// Cuts the image that *bytes begins with and moves *bytes behind it. This loop runs once per column
// of every row that the product ever reads: nothing in it allocates.
absl::Status CutImage(const TableMap& map, std::string_view present, bool partial_json,
                      std::string_view* bytes, RowSlices* out) {
  const size_t width = map.columns.size();
  PartialJson partial;
  if (partial_json) {
    if (absl::Status status = ReadPartialHead(map, bytes, &partial); !status.ok()) return status;
  }
  const size_t null_bytes = (CountBits(present, width) + 7) / 8;
  if (bytes->size() < null_bytes) return BadRow(map, "row image: the null bitmap is cut off");
  const std::string_view nulls = bytes->substr(0, null_bytes);
  const char* at = bytes->data() + null_bytes;
  const char* const end = bytes->data() + bytes->size();
  if (out->size() != width) out->resize(width);
  Slice* slice = out->data();
  const ColumnMap* column = map.columns.data();
  size_t present_index = 0;
  for (size_t i = 0; i < width; ++i, ++slice, ++column) {
    *slice = Slice{};
    if (column->type == ColumnType::kJson) slice->json_diff = partial.NextIsDiff();
    if (!Bit(present, i)) {
      slice->json_diff = false;
      continue;
    }
    if (Bit(nulls, present_index++)) {
      slice->json_diff = false;
      slice->state = Slice::kNull;
      continue;
    }
    size_t size = column->fixed_bytes;
    const size_t prefix = column->prefix_bytes;
    if (prefix != 0) {
      if (prefix > 4) return BadColumn(map, i, "its layout is not known");
      if (static_cast<size_t>(end - at) < prefix) return BadColumn(map, i, "it is cut off");
      size = 0;
      for (size_t k = prefix; k-- > 0;) size = size << 8 | static_cast<uint8_t>(at[k]);
      at += prefix;
    }
    if (static_cast<size_t>(end - at) < size) return BadColumn(map, i, "it is cut off");
    slice->data = at;
    slice->size = static_cast<uint32_t>(size);
    slice->state = Slice::kValue;
    at += size;
  }
  *bytes = std::string_view(at, static_cast<size_t>(end - at));
  return absl::OkStatus();
}

bool HasBits(std::string_view bitmap, size_t width) { return CountBits(bitmap, width) != 0; }

}  // namespace

// A row without columns takes no bytes: how many there were is lost.
RowCursor::RowCursor(const TableMap& map, const RowsEvent& rows)
    : map_(map),
      rows_(rows),
      hides_rows_(rows.rows.empty() && rows.width > 0 && rows.kind == RowKind::kInsert &&
                  !HasBits(rows.present_after, rows.width)) {}

absl::Status RowCursor::Next(RowSlices* before, RowSlices* after) {
  if (rows_.width != map_.columns.size()) {
    return BadRow(map_, fmt::format("the rows event has {} columns, its table map {}", rows_.width,
                                    map_.columns.size()));
  }
  if (hides_rows_) {
    return Error(absl::StatusCode::kFailedPrecondition, "ROW_IMAGE_EMPTY",
                 fmt::format("{}.{}", map_.schema, map_.table),
                 fmt::format("table {}.{}: an insert of default values only, logged without any "
                             "column",
                             map_.schema, map_.table),
                 "Set binlog_row_image=FULL on the source and copy the table again with "
                 "sync_tables.");
  }
  std::string_view rest = rows_.rows.substr(at_);
  const char* const begin = rest.data();
  const char* middle = begin;
  if (rows_.kind != RowKind::kInsert) {
    absl::Status status = CutImage(map_, rows_.present_before, false, &rest, before);
    if (!status.ok()) return status;
    middle = rest.data();
    last_before_ = std::string_view(begin, static_cast<size_t>(middle - begin));
  }
  if (rows_.kind != RowKind::kDelete) {
    absl::Status status = CutImage(map_, rows_.present_after, rows_.partial_json, &rest, after);
    if (!status.ok()) return status;
    last_after_ = std::string_view(middle, static_cast<size_t>(rest.data() - middle));
  }
  if (rest.data() == begin) return BadRow(map_, "a row without bytes");
  at_ += static_cast<size_t>(rest.data() - begin);
  return absl::OkStatus();
}

absl::Status SliceImage(const TableMap& map, std::string_view present, std::string_view image,
                        RowSlices* out, bool partial_json) {
  if (present.size() != (map.columns.size() + 7) / 8) {
    return BadRow(map, "row image: the present bitmap has the wrong length");
  }
  absl::Status status = CutImage(map, present, partial_json, &image, out);
  if (status.ok() && !image.empty()) {
    return BadRow(map, fmt::format("row image: {} bytes too many", image.size()));
  }
  return status;
}

}  // namespace chameleon::worker::binlog
