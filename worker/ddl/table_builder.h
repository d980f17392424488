// Puts a table's definition together as the server does: names of indexes and foreign keys that
// nobody wrote, what a primary key implies, which implicit index is needed.
//
// Used for a new table and, with the old one's parts as a start, for ALTER TABLE.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "worker/ddl/build_column.h"
#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

v1::ColumnDef* FindColumn(v1::TableDef* def, std::string_view name);
v1::IndexDef* FindIndex(v1::TableDef* def, std::string_view name);

// CHAR, TEXT, BLOB …: a prefix length means something.
bool CanHavePrefix(const v1::ColumnDef& column);

class TableBuilder {
 public:
  // A referenced table; null when it is not known.
  using FindTable = std::function<const v1::TableDef*(const TableRef&)>;

  TableBuilder(v1::TableDef def, const SessionContext& context, FindTable find_table)
      : def_(std::move(def)), context_(context), find_table_(std::move(find_table)) {}

  v1::TableDef& def() { return def_; }

  // Engine, comment, default character set; `database` is what DEFAULT means.
  void SetOptions(const TableOptions& options, const CharsetDefault& database);
  // The keys that a column's own attributes make (SERIAL, UNIQUE, PRIMARY KEY, REFERENCES).
  void AddColumnKeys(const ColumnSpec& column);
  // Before the indexes that name it.
  void AddPeriod(const PeriodSpec& period) { periods_.push_back(period); }
  void AddIndex(const IndexSpec& index);
  void AddForeignKey(const ForeignKeySpec& foreign_key);
  void AddSystemVersioning();
  void DropSystemVersioning();
  // The table moves to another database in the same statement.
  void SetSchema(const std::string& schema) { schema_ = schema; }
  // After the last change: primary key columns become NOT NULL, prefixes as long as their column
  // go, indexes and foreign keys come into the schema reader's order.
  // FAILED_PRECONDITION: an index on a column, or over a period, that is not known.
  absl::Status Finish();

 private:
  std::string FreeIndexName(std::string_view wanted);
  void AddPeriodParts(const std::string& period, v1::IndexDef* index);
  void DropServed(const v1::IndexDef& index);
  bool Covered(const v1::IndexDef& index);
  void FinishForeignKey(v1::ForeignKeyDef* key);

  v1::TableDef def_;
  const SessionContext& context_;
  FindTable find_table_;
  std::string schema_;  // of the table after the statement, if not def_'s
  std::vector<PeriodSpec> periods_;
  std::string unknown_period_;
};

}  // namespace chameleon::worker::ddl
