// A source column's default as a PostgreSQL expression.
#pragma once

#include <optional>
#include <string>

#include "chameleon/v1/types.pb.h"

namespace chameleon::coordinator::target {

// Nothing when there is none, or none that PostgreSQL would accept and understand in the same way
// (expressions, zero dates, bytes): replay writes every column, defaults matter after detach only.
std::optional<std::string> DefaultText(const v1::ColumnDef& def, const v1::ColumnPlan& plan);

}  // namespace chameleon::coordinator::target
