// The optional block of TABLE_MAP (binlog_row_metadata): type u8, length lenenc, value; repeated.
#include <fmt/format.h>

#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/damage.h"
#include "worker/binlog/row_image.h"

namespace chameleon::worker::binlog {
namespace {

enum Field : uint8_t {
  kSignedness = 1,
  kDefaultCharset = 2,
  kColumnCharset = 3,
  kColumnName = 4,
  kSimplePrimaryKey = 8,
  kPrimaryKeyWithPrefix = 9,
  kEnumAndSetDefaultCharset = 10,
  kEnumAndSetColumnCharset = 11,
};

bool IsNumeric(ColumnType type) {
  switch (type) {
    case ColumnType::kTiny:
    case ColumnType::kShort:
    case ColumnType::kInt24:
    case ColumnType::kLong:
    case ColumnType::kLongLong:
    case ColumnType::kNewDecimal:
    case ColumnType::kFloat:
    case ColumnType::kDouble:
    case ColumnType::kYear:
      return true;
    default:
      return false;
  }
}

bool IsCharacter(ColumnType type, bool is_mariadb) {
  switch (type) {
    case ColumnType::kString:
    case ColumnType::kVarString:
    case ColumnType::kVarchar:
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob:
    case ColumnType::kVector:
    case ColumnType::kMariadbVarcharCompressed:
    case ColumnType::kMariadbBlobCompressed:
      return true;
    case ColumnType::kGeometry:
      return is_mariadb;
    default:
      return false;
  }
}

bool IsEnumOrSet(ColumnType type) { return type == ColumnType::kEnum || type == ColumnType::kSet; }

template <typename Predicate>
std::vector<uint32_t> ColumnsWhere(const TableMap& map, Predicate predicate) {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < map.columns.size(); ++i) {
    if (predicate(map.columns[i].type)) out.push_back(i);
  }
  return out;
}

// One bit per numeric column, most significant first.
bool ReadSignedness(const TableMap& map, std::string_view bits, TableMetadata* out) {
  std::vector<uint32_t> numeric = ColumnsWhere(map, IsNumeric);
  if (bits.size() != (numeric.size() + 7) / 8) return false;
  out->is_unsigned.assign(map.columns.size(), false);
  for (size_t i = 0; i < numeric.size(); ++i) {
    out->is_unsigned[numeric[i]] = (static_cast<uint8_t>(bits[i >> 3]) << (i & 7) & 0x80) != 0;
  }
  out->has_signedness = true;
  return true;
}

// The collation of all of `columns`, then (index among them, its own collation) pairs.
bool ReadDefaultCharset(ByteCursor in, const std::vector<uint32_t>& columns, TableMetadata* out) {
  uint64_t collation = in.Lenenc();
  for (uint32_t column : columns) out->collations[column] = static_cast<uint32_t>(collation);
  while (!in.AtEnd()) {
    uint64_t index = in.Lenenc();
    uint64_t own = in.Lenenc();
    if (!in.ok() || index >= columns.size()) return false;
    out->collations[columns[index]] = static_cast<uint32_t>(own);
  }
  return in.ok();
}

bool ReadColumnCharset(ByteCursor in, const std::vector<uint32_t>& columns, TableMetadata* out) {
  for (uint32_t column : columns) out->collations[column] = static_cast<uint32_t>(in.Lenenc());
  return in.ok() && in.AtEnd();
}

bool ReadNames(ByteCursor in, size_t count, TableMetadata* out) {
  while (!in.AtEnd()) out->names.push_back(in.LenencBytes());
  return in.ok() && out->names.size() == count;
}

bool ReadPrimaryKey(ByteCursor in, size_t count, bool with_prefix, TableMetadata* out) {
  while (!in.AtEnd()) {
    uint64_t column = in.Lenenc();
    if (with_prefix) in.Lenenc();  // characters of the prefix, 0 = whole column
    if (!in.ok() || column >= count) return false;
    out->primary_key.push_back(static_cast<uint32_t>(column));
  }
  return in.ok();
}

bool ReadField(const TableMap& map, bool is_mariadb, uint8_t field, std::string_view value,
               TableMetadata* out) {
  const size_t count = map.columns.size();
  auto is_character = [is_mariadb](ColumnType type) { return IsCharacter(type, is_mariadb); };
  if (field == kDefaultCharset || field == kColumnCharset || field == kEnumAndSetDefaultCharset ||
      field == kEnumAndSetColumnCharset) {
    out->collations.resize(count);
  }
  switch (field) {
    case kSignedness:
      return ReadSignedness(map, value, out);
    case kDefaultCharset:
      return ReadDefaultCharset(ByteCursor(value), ColumnsWhere(map, is_character), out);
    case kColumnCharset:
      return ReadColumnCharset(ByteCursor(value), ColumnsWhere(map, is_character), out);
    case kEnumAndSetDefaultCharset:
      return ReadDefaultCharset(ByteCursor(value), ColumnsWhere(map, IsEnumOrSet), out);
    case kEnumAndSetColumnCharset:
      return ReadColumnCharset(ByteCursor(value), ColumnsWhere(map, IsEnumOrSet), out);
    case kColumnName:
      return ReadNames(ByteCursor(value), count, out);
    case kSimplePrimaryKey:
      return ReadPrimaryKey(ByteCursor(value), count, false, out);
    case kPrimaryKeyWithPrefix:
      return ReadPrimaryKey(ByteCursor(value), count, true, out);
    default:
      return true;  // labels, geometry types, visibility, …: nothing that decides a value
  }
}

}  // namespace

absl::StatusOr<TableMetadata> ParseTableMetadata(const TableMap& map, bool is_mariadb) {
  TableMetadata out;
  ByteCursor in(map.raw_metadata);
  while (!in.AtEnd()) {
    uint8_t field = in.U8();
    std::string_view value = in.LenencBytes();
    if (!in.ok() || !ReadField(map, is_mariadb, field, value, &out)) {
      return Damaged(EventType::kTableMap, in.offset(),
                     fmt::format("table {}.{}: optional metadata {} does not fit its columns",
                                 map.schema, map.table, field));
    }
  }
  return out;
}

}  // namespace chameleon::worker::binlog
