#include "worker/encode/table_check.h"

#include "fmt/format.h"
#include "proto/wire/error.h"
#include "worker/encode/charset.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnMap;
using binlog::ColumnType;

// What a definition looks like in a table map.
struct Expected {
  ColumnType type;
  int length = -1;  // -1: not checked
  int scale = -1;
  bool old_temporal = false;  // this type without dimensions would do as well
};

int TextBytes(const v1::ColumnDef& def) {
  const auto charset = Charset::Find(def.charset());
  return charset.ok() ? static_cast<int>(def.length() * (*charset)->bytes_max()) : -1;
}

int SetBytes(int labels) {
  const int bytes = (labels + 7) / 8;
  return bytes > 4 ? 8 : bytes;
}

Expected Varchar(const v1::ColumnDef& def, int bytes) {
  if (def.compressed()) {
    return {ColumnType::kMariadbVarcharCompressed, bytes < 0 ? -1 : bytes + 1};
  }
  return {ColumnType::kVarchar, bytes};
}

Expected Blob(const v1::ColumnDef& def, int length_bytes) {
  return {def.compressed() ? ColumnType::kMariadbBlobCompressed : ColumnType::kBlob, length_bytes};
}

Expected ExpectedOf(const v1::ColumnDef& def, const ColumnMap& map) {
  const int length = static_cast<int>(def.length());
  const int fsp = static_cast<int>(def.fsp());
  switch (def.base_type()) {
    case v1::TINYINT:
      return {ColumnType::kTiny};
    case v1::SMALLINT:
      return {ColumnType::kShort};
    case v1::MEDIUMINT:
      return {ColumnType::kInt24};
    case v1::INT:
      return {ColumnType::kLong};
    case v1::BIGINT:
      return {ColumnType::kLongLong};
    case v1::DECIMAL:
      return {ColumnType::kNewDecimal, length, static_cast<int>(def.scale())};
    case v1::FLOAT:
      return {ColumnType::kFloat};
    case v1::DOUBLE:
      return {ColumnType::kDouble};
    case v1::BIT:
      return {ColumnType::kBit, length};
    case v1::YEAR:
      return {ColumnType::kYear};
    case v1::DATE:
      return {ColumnType::kDate};
    case v1::TIME:
      return {ColumnType::kTime2, fsp, -1, map.type == ColumnType::kTime};
    case v1::DATETIME:
      return {ColumnType::kDatetime2, fsp, -1, map.type == ColumnType::kDatetime};
    case v1::TIMESTAMP:
      return {ColumnType::kTimestamp2, fsp, -1, map.type == ColumnType::kTimestamp};
    case v1::CHAR:
      return {ColumnType::kString, TextBytes(def)};
    case v1::BINARY:
      return {ColumnType::kString, length};
    case v1::VARCHAR:
      return Varchar(def, TextBytes(def));
    case v1::VARBINARY:
      return Varchar(def, length);
    case v1::TINYTEXT:
    case v1::TINYBLOB:
      return Blob(def, 1);
    case v1::TEXT:
    case v1::BLOB:
      return Blob(def, 2);
    case v1::MEDIUMTEXT:
    case v1::MEDIUMBLOB:
      return Blob(def, 3);
    case v1::LONGTEXT:
    case v1::LONGBLOB:
      return Blob(def, 4);
    case v1::ENUM:
      return {ColumnType::kEnum, def.labels_size() > 255 ? 2 : 1};
    case v1::SET:
      return {ColumnType::kSet, SetBytes(def.labels_size())};
    case v1::JSON:
      return {ColumnType::kJson};
    case v1::VECTOR:
      if (map.type == ColumnType::kVector) return {ColumnType::kVector};
      return {ColumnType::kVarchar, 4 * length};  // MariaDB
    case v1::UUID:
    case v1::INET6:
      return {ColumnType::kString, 16};
    case v1::INET4:
      return {ColumnType::kString, 4};
    default:
      return {ColumnType::kGeometry};
  }
}

std::string_view TypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kTiny:
      return "tinyint";
    case ColumnType::kShort:
      return "smallint";
    case ColumnType::kInt24:
      return "mediumint";
    case ColumnType::kLong:
      return "int";
    case ColumnType::kLongLong:
      return "bigint";
    case ColumnType::kNewDecimal:
      return "decimal";
    case ColumnType::kFloat:
      return "float";
    case ColumnType::kDouble:
      return "double";
    case ColumnType::kBit:
      return "bit";
    case ColumnType::kYear:
      return "year";
    case ColumnType::kDate:
    case ColumnType::kNewDate:
      return "date";
    case ColumnType::kTime:
    case ColumnType::kTime2:
      return "time";
    case ColumnType::kDatetime:
    case ColumnType::kDatetime2:
      return "datetime";
    case ColumnType::kTimestamp:
    case ColumnType::kTimestamp2:
      return "timestamp";
    case ColumnType::kString:
      return "char or binary";
    case ColumnType::kVarchar:
    case ColumnType::kVarString:
      return "varchar or varbinary";
    case ColumnType::kMariadbVarcharCompressed:
      return "compressed varchar";
    case ColumnType::kMariadbBlobCompressed:
      return "compressed blob or text";
    case ColumnType::kBlob:
      return "blob or text";
    case ColumnType::kEnum:
      return "enum";
    case ColumnType::kSet:
      return "set";
    case ColumnType::kJson:
      return "json";
    case ColumnType::kGeometry:
      return "geometry";
    case ColumnType::kVector:
      return "vector";
    default:
      return "unknown";
  }
}

std::string Described(const ColumnMap& map) {
  std::string text(TypeName(map.type));
  switch (map.type) {
    case ColumnType::kNewDecimal:
      return text + fmt::format("({},{})", map.length, map.scale);
    case ColumnType::kBit:
    case ColumnType::kTime2:
    case ColumnType::kDatetime2:
    case ColumnType::kTimestamp2:
      return text + fmt::format("({})", map.length);
    case ColumnType::kString:
    case ColumnType::kVarchar:
    case ColumnType::kMariadbVarcharCompressed:
    case ColumnType::kEnum:
    case ColumnType::kSet:
      return text + fmt::format(" of {} bytes", map.length);
    case ColumnType::kBlob:
    case ColumnType::kMariadbBlobCompressed:
      return text + fmt::format(" with {} length bytes", map.length);
    default:
      return text;
  }
}

absl::Status Mismatch(const v1::TableDef& def, const std::string& difference) {
  const std::string name = fmt::format("{}.{}", def.name().schema(), def.name().table());
  return Error(absl::StatusCode::kFailedPrecondition, "SCHEMA_MISMATCH", name,
               fmt::format("table {}: {}", name, difference),
               "A schema change was missed. Copy the table again with sync_tables.");
}

bool Fits(const v1::ColumnDef& def, const ColumnMap& map) {
  const Expected expected = ExpectedOf(def, map);
  if (expected.old_temporal) return true;
  if (map.type == ColumnType::kNewDate && expected.type == ColumnType::kDate) return true;
  return map.type == expected.type && (expected.length < 0 || map.length == expected.length) &&
         (expected.scale < 0 || map.scale == expected.scale);
}

bool IsNumeric(v1::BaseType type) {
  return (type >= v1::TINYINT && type <= v1::BIGINT) || type == v1::DECIMAL || type == v1::FLOAT ||
         type == v1::DOUBLE;
}

// A UNIQUE key that MariaDB may keep as a hash, because it is too long for an index.
bool MayBeHashed(const v1::TableDef& def, const v1::IndexDef& index) {
  if (index.kind() != v1::IndexDef::UNIQUE) return false;
  return std::any_of(index.parts().begin(), index.parts().end(), [&](const v1::IndexPart& part) {
    return std::any_of(def.columns().begin(), def.columns().end(), [&](const v1::ColumnDef& c) {
      return c.name() == part.column() && c.base_type() >= v1::CHAR &&
             c.base_type() <= v1::LONGBLOB;
    });
  });
}

// DB_ROW_HASH_1, …: a nullable BIGINT for each such key.
bool OthersAreHashes(const v1::TableDef& def, const std::vector<binlog::ColumnMap>& columns,
                     size_t count, const std::vector<std::string_view>& names) {
  const auto keys = static_cast<size_t>(
      std::count_if(def.indexes().begin(), def.indexes().end(),
                    [&](const v1::IndexDef& index) { return MayBeHashed(def, index); }));
  if (columns.size() < count || columns.size() - count > keys) return false;
  for (size_t i = count; i < columns.size(); ++i) {
    if (columns[i].type != binlog::ColumnType::kLongLong) return false;
    if (i < names.size() && !names[i].starts_with("DB_ROW_HASH_")) return false;
  }
  return true;
}

}  // namespace

absl::Status CheckTable(const v1::TableDef& def, const binlog::TableMap& map,
                        const binlog::TableMetadata& metadata, bool is_mariadb) {
  const auto count = static_cast<size_t>(def.columns_size());
  if (map.columns.size() != count &&
      !(is_mariadb && OthersAreHashes(def, map.columns, count, metadata.names))) {
    return Mismatch(def, fmt::format("the binary log has {} columns, the schema history {}",
                                     map.columns.size(), count));
  }
  for (size_t i = 0; i < count; ++i) {
    const v1::ColumnDef& column = def.columns(static_cast<int>(i));
    if (!Fits(column, map.columns[i])) {
      return Mismatch(
          def, fmt::format("column {} ({}) is {} in the schema history and {} in the "
                           "binary log",
                           i + 1, column.name(), column.column_type(), Described(map.columns[i])));
    }
    if (i < metadata.names.size() && metadata.names[i] != column.name()) {
      return Mismatch(def, fmt::format("column {} is named {} in the schema history and {} in the "
                                       "binary log",
                                       i + 1, column.name(), metadata.names[i]));
    }
    if (metadata.has_signedness && i < metadata.is_unsigned.size() &&
        IsNumeric(column.base_type()) && metadata.is_unsigned[i] != column.is_unsigned()) {
      return Mismatch(def, fmt::format("column {} ({}) is {} in the schema history and {} in the "
                                       "binary log",
                                       i + 1, column.name(), column.column_type(),
                                       metadata.is_unsigned[i] ? "unsigned" : "signed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace chameleon::worker::encode
