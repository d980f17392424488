// A written type → the type the server stores, spelled as its information_schema does.
//
// Follows the servers' conversions (facts 4.10): TEXT(n) and too long VARCHARs pick the type that
// holds them, the character set "binary" makes bytes of characters, integers show a display width
// on MariaDB and on MySQL before 8.0.19 only.
#pragma once

#include <string>
#include <string_view>

#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// The COLUMN_TYPE of `type` in `charset` (already inherited; "binary" turns strings into bytes).
// Empty: the server would not have taken it; *reason says why.
std::string ColumnTypeText(const TypeSpec& type, std::string_view charset,
                           const SessionContext& context, std::string* reason);

// The member of the TEXT (or BLOB) family that holds `bytes`.
v1::BaseType TextTypeFor(uint64_t bytes, bool blob);

// 'label' with the servers' escapes.
std::string QuoteLabel(std::string_view label);

}  // namespace chameleon::worker::ddl
