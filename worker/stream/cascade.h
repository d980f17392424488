// Foreign key actions that the source's engine takes without logging them: MariaDB, and MySQL whose
// InnoDB keeps the foreign keys itself. The children's changes are told by the parent's raw rows,
// before netting: REPLACE deletes a parent's children and leaves the parent.
//
// What cannot be told exactly stops the children, by name. Used by the reader thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "worker/binlog/row_image.h"
#include "worker/stream/table_registry.h"

namespace chameleon::worker::stream {

// A foreign key of `child` that acts when a row of its parent goes or changes its key.
struct CascadeRule {
  std::shared_ptr<TableState> child;
  std::vector<size_t> referenced;    // columns of the parent
  std::vector<std::string> columns;  // target names in the child, in the same order
  bool deletes = false;              // ON DELETE: CASCADE or SET NULL
  bool delete_sets_null = false;
  bool updates = false;  // ON UPDATE: likewise
  bool update_sets_null = false;
};

// The rules of a parent's children. Its definition is null when it is not replicated: rules then
// say no more than which children are concerned.
std::vector<CascadeRule> CascadeRulesOf(const std::string& schema, const std::string& table,
                                        const v1::TableDef* parent, const TableRegistry& tables);

// False: the source has logged the children's rows, or did not check foreign keys.
inline bool MayCascade(const binlog::RowsEvent& rows) {
  return rows.kind != binlog::RowKind::kInsert &&
         (rows.flags & (binlog::kRowsNoForeignKeys | binlog::kRowsSqlLayerForeignKeys)) == 0;
}

// The children's changes since the last flush, as log lines without a batch id.
class Cascade {
 public:
  // One row of the parent that was deleted, or updated (`after` not null). False: a value that
  // tells the children apart is not in the log.
  bool Add(const CascadeRule& rule, TableState* parent, const binlog::TableMap& map,
           const binlog::RowSlices& before, const binlog::RowSlices* after);

  bool empty() const { return groups_.empty(); }
  size_t bytes() const { return bytes_; }
  // Groups must be applied one after another.
  struct Group {
    std::string lines;
    uint32_t rows = 0;
  };
  std::vector<Group> Take();

 private:
  std::vector<Group> groups_;
  absl::flat_hash_set<std::string> new_keys_;  // of the last group: another change may start there
  size_t bytes_ = 0;
};

}  // namespace chameleon::worker::stream
