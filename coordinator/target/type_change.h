// A column that changes its type: how PostgreSQL converts it to exactly what the source made of it.
//
// Pure. The source's session may have been strict or not: in strict mode it refuses what does not
// fit, otherwise it clamps and cuts without a word. So each conversion is one that either gives the
// source's values or fails loudly when it is replayed (a condition on the rows, or PostgreSQL's own
// error). Everything else is refused here.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"

namespace chameleon::coordinator::target {

// A column's definition and plan. `own_enum`: its target type is the table's own enum type.
struct ColumnState {
  const v1::ColumnDef& def;
  const v1::ColumnPlan& plan;
  bool own_enum = false;
};

struct Requirement {
  std::string condition;  // on the old values; rows where it is NULL pass
  std::string message;
};

struct TypeChange {
  bool changes = false;             // ALTER COLUMN … TYPE is needed
  std::string using_expression;     // empty: PostgreSQL's assignment cast
  std::vector<std::string> append;  // own enum: labels to add at the end, and nothing else
  std::vector<Requirement> require;
};

// `column`: its quoted name, as expressions use it. For an own enum type on the new side the
// expression ends in a cast to `enum_type`. FAILED_PRECONDITION with the reason, without context.
absl::StatusOr<TypeChange> ChangeType(const ColumnState& from, const ColumnState& to,
                                      const std::string& column, const std::string& enum_type);

}  // namespace chameleon::coordinator::target
