// The indexes of a table that changes: which go, are renamed, and are made.
//
// Index names are free or taken at replay only, so the catalogue's helpers choose among the wanted
// ones (sql/45_schema.sql).
#pragma once

#include <string>
#include <vector>

#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/table_state.h"

namespace chameleon::coordinator::target {

std::string CreateIndexStatement(const IndexPlan& index, const v1::TablePlan& plan);

struct IndexChanges {
  std::vector<std::string> first;  // before the columns change: drops, then renames
  std::vector<std::string> last;   // behind them: what is new
};
// `continues`: of after's columns, in before's.
IndexChanges ChangeIndexes(const TableState& before, const TableState& after,
                           const std::vector<int>& continues, bool has_postgis);

// Each index of the table before and after a RENAME, as fn_move_table reads them.
std::string IndexRenames(const TableState& before, const TableState& after, bool has_postgis);

}  // namespace chameleon::coordinator::target
