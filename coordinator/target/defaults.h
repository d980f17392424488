// A source column's default as a PostgreSQL expression.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"

namespace chameleon::coordinator::target {

// Nothing when there is none, or none that PostgreSQL would accept and understand in the same way
// (expressions, zero dates, bytes): replay writes every column, defaults matter after detach only.
std::optional<std::string> DefaultText(const v1::ColumnDef& def, const v1::ColumnPlan& plan);

// What a column that is added holds in the rows that are there: "NULL", or a literal.
// FAILED_PRECONDITION: only the source knows (its clock, its time zone, an expression).
absl::StatusOr<std::string> FillText(const v1::ColumnDef& def, const v1::ColumnPlan& plan);

}  // namespace chameleon::coordinator::target
