// Column types as information_schema.COLUMNS.COLUMN_TYPE spells them, to and from ColumnDef.
//
// The spelling is the server's own (never a user's alias): "int(10) unsigned zerofill",
// "enum('a','it''s')", "time(3) /* mariadb-5.3 */", "varchar(20) /*M!100301 COMPRESSED*/".
// Input and output are UTF-8. Inside labels the servers write ' as '', and \\ \n \r \0 with a
// backslash [tried on MySQL 9.7 and MariaDB 10.11].
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"

namespace chameleon::worker::ddl {

// Sets column_type, base_type, is_unsigned, zerofill, length, scale, fsp, labels, old_temporal and
// compressed of `out`; leaves its other fields alone. `length` of an integer other than TINYINT is
// 0: its display width says nothing about its values. Lengths of the TEXT and BLOB families are 0.
// DATA_LOSS names a type that is not known or not well-formed; `out` is then unchanged.
absl::Status ParseColumnType(std::string_view column_type, v1::ColumnDef* out);

// The type's name without dimensions, as the servers spell it: "mediumtext". Empty: unspecified.
std::string_view BaseTypeName(v1::BaseType type);

bool IsInteger(v1::BaseType type);
// CHAR, VARCHAR and the TEXT family, ENUM, SET: types with a character set.
bool HasCharset(v1::BaseType type);
bool IsSpatial(v1::BaseType type);

}  // namespace chameleon::worker::ddl
