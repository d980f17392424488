// Rows events. V1: table id 6 bytes, flags u16; V2: also extra length u16 (counts itself) and extra
// data. Then width lenenc, present bitmap (two for updates), rows. MariaDB packs the rows alone.
#include <fmt/format.h>

#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/compressed.h"
#include "worker/binlog/damage.h"
#include "worker/binlog/row_image.h"
#include "worker/binlog/rows_header.h"

namespace chameleon::worker::binlog {
namespace {

constexpr uint64_t kColumnsMax = 4096;

struct RowsForm {
  RowKind kind;
  bool has_extra;
  bool is_packed = false;
};

std::optional<RowsForm> FormOf(EventType type) {
  switch (type) {
    case EventType::kWriteRowsV1:
      return RowsForm{RowKind::kInsert, false};
    case EventType::kUpdateRowsV1:
      return RowsForm{RowKind::kUpdate, false};
    case EventType::kDeleteRowsV1:
      return RowsForm{RowKind::kDelete, false};
    case EventType::kWriteRowsV2:
      return RowsForm{RowKind::kInsert, true};
    case EventType::kUpdateRowsV2:
    case EventType::kPartialUpdateRows:
      return RowsForm{RowKind::kUpdate, true};
    case EventType::kDeleteRowsV2:
      return RowsForm{RowKind::kDelete, true};
    case EventType::kMariadbWriteRowsCompressedV1:
      return RowsForm{RowKind::kInsert, false, true};
    case EventType::kMariadbUpdateRowsCompressedV1:
      return RowsForm{RowKind::kUpdate, false, true};
    case EventType::kMariadbDeleteRowsCompressedV1:
      return RowsForm{RowKind::kDelete, false, true};
    case EventType::kMariadbWriteRowsCompressedV2:
      return RowsForm{RowKind::kInsert, true, true};
    case EventType::kMariadbUpdateRowsCompressedV2:
      return RowsForm{RowKind::kUpdate, true, true};
    case EventType::kMariadbDeleteRowsCompressedV2:
      return RowsForm{RowKind::kDelete, true, true};
    default:
      return std::nullopt;
  }
}

}  // namespace

bool IsRowsEvent(EventType type) { return FormOf(type).has_value(); }

absl::StatusOr<uint64_t> ParseTableId(const Event& event, const FormatDescription& format) {
  ByteCursor in(event.body);
  uint64_t id = in.Little(TableIdBytes(event.header.type, format));
  if (!in.ok()) return Damaged(event.header.type, 0, "it is cut off");
  return id;
}

absl::StatusOr<RowsEvent> ParseRowsEvent(const Event& event, const FormatDescription& format) {
  const EventType type = event.header.type;
  std::optional<RowsForm> form = FormOf(type);
  if (!form) return Damaged(type, 0, "it is not a rows event");
  ByteCursor in(event.body);
  RowsEvent out;
  out.kind = form->kind;
  out.partial_json = type == EventType::kPartialUpdateRows;
  out.table_id = in.Little(TableIdBytes(type, format));
  out.flags = in.U16();
  if (form->has_extra) {
    uint16_t extra_bytes = in.U16();
    if (extra_bytes < 2) return Damaged(type, in.offset(), "wrong length of the extra data");
    in.Skip(extra_bytes - 2);
  }
  uint64_t width = in.Lenenc();
  if (!in.ok() || width > kColumnsMax) {
    return Damaged(type, in.offset(), fmt::format("{} columns", width));
  }
  out.width = static_cast<uint32_t>(width);
  const size_t bitmap_bytes = (width + 7) / 8;
  if (out.kind != RowKind::kInsert) out.present_before = in.Bytes(bitmap_bytes);
  if (out.kind != RowKind::kDelete) out.present_after = in.Bytes(bitmap_bytes);
  if (!in.ok()) return Damaged(type, in.offset(), "a bitmap is cut off");
  out.rows = in.Rest();
  if (form->is_packed) {
    auto rows = Unpack(type, out.rows);
    if (!rows.ok()) return rows.status();
    out.decompressed = *std::move(rows);
    out.rows = *out.decompressed;
  }
  return out;
}

}  // namespace chameleon::worker::binlog
