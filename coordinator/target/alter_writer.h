// A source table that changes → the PostgreSQL statements that change its copy in the same way.
//
// Pure. Statements are executed at replay, in order, in one transaction with the rows around them;
// what depends on the target's state then (free index names) is left to the catalogue's helpers
// (sql/45_schema.sql). FAILED_PRECONDITION, naming table and column: PostgreSQL would not get the
// source's values, so the table must be read again.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/target/table_state.h"

namespace chameleon::coordinator::target {

struct TableOptions {
  bool has_postgis = false;
  uint32_t fillfactor = 100;
  std::vector<std::string> grant_select_to;
};

struct Statements {
  std::vector<std::string> sql;
  bool exclusive = false;  // the replay transaction must end after them
};

// A new plan says what a column would become today; a column that the statement leaves alone stays
// as it is (the configuration may have changed since). Call before ReadTypes and AlterStatements.
void KeepTypes(const TableState& before, const ColumnRenames& renames, TableState* after);

Statements CreateStatements(const TableState& table, const TableOptions& options);
// `before` and `after` have the same target schema and table.
absl::StatusOr<Statements> AlterStatements(const TableState& before, const TableState& after,
                                           const ColumnRenames& renames,
                                           const TableOptions& options);
// Only the name and the schema differ.
Statements RenameStatements(const TableState& before, const TableState& after,
                            const TableOptions& options);

}  // namespace chameleon::coordinator::target
