// A written DEFAULT → the value the server stores for it.
//
// The result has the form that the schema reader gives (worker/source/column_default.h): strings
// without quotes, BIT as b'101', BINARY and VARBINARY as 0x6162, numbers and dates as the column
// prints them. FLOAT and DOUBLE keep every digit that was written: information_schema shows six.
#pragma once

#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// Sets has_default, default_value and default_is_expression of `column`, whose type is set.
void SetDefault(const DefaultSpec& spec, const SessionContext& context, v1::ColumnDef* column);

// "CURRENT_TIMESTAMP(3)" as this server spells it.
std::string NowText(std::string_view now, const SessionContext& context);

}  // namespace chameleon::worker::ddl
