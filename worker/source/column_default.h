// COLUMN_DEFAULT of information_schema → has_default, default_value, default_is_expression. Pure.
//
// MySQL gives the bare literal and says in EXTRA when it is an expression (DEFAULT_GENERATED).
// MariaDB ≥ 10.2.7 gives SQL text: 'it''s', 5, NULL, current_timestamp(). The result is the same
// for both: strings without quotes, BIT as b'101', BINARY and VARBINARY as 0x6162.
// Labels that are bytes are as COLUMN_TYPE has them, not the hexadecimal that MySQL shows for them.
// A binary default that MariaDB cannot show exactly (it replaces bytes by '?') is an expression.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chameleon/v1/types.pb.h"

namespace chameleon::worker::source {

// `column` has its base type and character set already. `sql_text`: the MariaDB form.
void SetColumnDefault(const std::optional<std::string>& column_default, std::string_view extra,
                      bool sql_text, v1::ColumnDef* column);

}  // namespace chameleon::worker::source
