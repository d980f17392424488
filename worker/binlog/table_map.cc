// TABLE_MAP: table id 6 bytes (4 when the format's post-header is 6 bytes long), flags u16,
// length u8 and schema \0, length u8 and table \0, column count lenenc, type codes, metadata
// lenenc, null bitmap, optional metadata up to the end.
#include <fmt/format.h>

#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/damage.h"
#include "worker/binlog/row_image.h"
#include "worker/binlog/rows_header.h"

namespace chameleon::worker::binlog {
namespace {

constexpr uint64_t kColumnsMax = 4096;  // both servers' limit

// CHAR, ENUM and SET: the first byte is the real type, with two bits of the length folded in.
void ReadStringMeta(ByteCursor* in, ColumnMap* column) {
  uint8_t first = in->U8(), second = in->U8();
  column->type = static_cast<ColumnType>(first | 0x30);
  column->length = static_cast<uint16_t>(second | ((first & 0x30) ^ 0x30) << 4);
}

void ReadColumnMeta(ByteCursor* in, ColumnMap* column) {
  switch (column->type) {
    case ColumnType::kFloat:
    case ColumnType::kDouble:
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob:
    case ColumnType::kMariadbBlobCompressed:
    case ColumnType::kGeometry:
    case ColumnType::kJson:
    case ColumnType::kVector:
    case ColumnType::kTime2:
    case ColumnType::kTimestamp2:
    case ColumnType::kDatetime2:
      column->length = in->U8();
      return;
    case ColumnType::kVarchar:
    case ColumnType::kMariadbVarcharCompressed:
      column->length = in->U16();
      return;
    case ColumnType::kNewDecimal:
      column->length = in->U8();
      column->scale = in->U8();
      return;
    case ColumnType::kBit: {
      uint8_t bits = in->U8();
      column->length = static_cast<uint16_t>(in->U8() * 8 + bits);
      return;
    }
    case ColumnType::kString:
    case ColumnType::kEnum:
    case ColumnType::kSet:
      ReadStringMeta(in, column);
      return;
    default:
      return;
  }
}

bool IsStringType(ColumnType type) {
  return type == ColumnType::kString || type == ColumnType::kEnum || type == ColumnType::kSet;
}

// Types and metadata of all columns; `offset`: of the metadata in the event.
absl::Status ReadColumns(std::string_view types, std::string_view metadata, size_t offset,
                         TableMap* out) {
  ByteCursor in(metadata);
  out->columns.resize(types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    ColumnMap& column = out->columns[i];
    column.type = static_cast<ColumnType>(types[i]);
    const bool is_string = IsStringType(column.type);
    ReadColumnMeta(&in, &column);
    if (!in.ok()) break;
    if ((is_string && !IsStringType(column.type)) || !LayOut(&column)) {
      return Damaged(EventType::kTableMap, offset + in.offset(),
                     fmt::format("table {}.{}, column {}: type {} with metadata {},{} is not known",
                                 out->schema, out->table, i + 1, static_cast<uint8_t>(types[i]),
                                 column.length, column.scale));
    }
  }
  if (!in.ok() || !in.AtEnd()) {
    return Damaged(EventType::kTableMap, offset + in.offset(),
                   fmt::format("table {}.{}: the column metadata has the wrong length", out->schema,
                               out->table));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TableMap> ParseTableMap(const Event& event, const FormatDescription& format) {
  const EventType type = event.header.type;
  ByteCursor in(event.body);
  TableMap out;
  out.table_id = in.Little(TableIdBytes(type, format));
  out.flags = in.U16();
  out.schema = std::string(in.Bytes(in.U8()));
  uint8_t schema_end = in.U8();
  out.table = std::string(in.Bytes(in.U8()));
  uint8_t table_end = in.U8();
  if (schema_end != 0 || table_end != 0) {
    return Damaged(type, in.offset(), "the schema or table name does not end");
  }
  uint64_t count = in.Lenenc();
  if (!in.ok() || count == 0 || count > kColumnsMax) {
    return Damaged(type, in.offset(), fmt::format("{} columns", count));
  }
  std::string_view types = in.Bytes(count);
  std::string_view metadata = in.LenencBytes();
  size_t metadata_offset = in.offset() - metadata.size();
  std::string_view nullable = in.Bytes((count + 7) / 8);
  if (!in.ok()) return Damaged(type, in.offset(), "it is cut off");
  if (absl::Status status = ReadColumns(types, metadata, metadata_offset, &out); !status.ok()) {
    return status;
  }
  for (size_t i = 0; i < count; ++i) out.columns[i].nullable = Bit(nullable, i);
  out.raw_metadata = std::string(in.Rest());
  return out;
}

}  // namespace chameleon::worker::binlog
