// Whether a column that is already in the target holds exactly what the source's column can hold.
//
// Pure. For tables that somebody else made: pg_chameleon (take over), the user
// (keep_existing_schema).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chameleon/v1/types.pb.h"

namespace chameleon::coordinator::target {

struct ExistingColumn {
  std::string type;                 // format_type() with nothing but pg_catalog in the search path
  bool not_null = false;
  bool own_enum = false;            // an enum type of the table's schema
  std::vector<std::string> labels;  // of an enum
};

// Points `plan`, the column's plan for a table of our own, at the existing column. Nothing: values
// are exact there, or an error when one is not. Else why not: "bit(8) in integer". `rows_are_ours`:
// all rows of the table will have been written by us, so that a timestamp without time zone is in
// UTC; rows of another program are in its own time zone.
std::optional<std::string> FitColumn(const v1::ColumnDef& def, const ExistingColumn& existing,
                                     bool rows_are_ours, v1::ColumnPlan* plan);

}  // namespace chameleon::coordinator::target
