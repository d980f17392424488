// Tables that are in the target already, and whether a source table's values fit into them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"
#include "coordinator/pg/session.h"
#include "coordinator/target/fit.h"

namespace chameleon::coordinator::ingest {

class ExistingTables {
 public:
  // Adds the tables of one target schema.
  absl::Status Read(pg::Session* session, const std::string& schema);
  bool Has(const std::string& schema, const std::string& table) const {
    return tables_.count({schema, table}) != 0;
  }
  // Points the plan at the existing columns. Nothing, or why the table cannot be used: a column is
  // missing or of another type, or (for tables that are followed) no unique index on the key.
  // `rows_are_ours`: see FitColumn; then no key is asked for, it may come later.
  std::optional<std::string> Fit(const v1::TableDef& def, v1::TablePlan* plan,
                                 bool rows_are_ours) const;

 private:
  struct Table {
    std::map<std::string, target::ExistingColumn> columns;
    std::vector<std::set<std::string>> keys;  // columns of unique indexes
  };
  std::map<std::pair<std::string, std::string>, Table> tables_;
};

}  // namespace chameleon::coordinator::ingest
