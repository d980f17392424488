// A statement and the tables as they are → the changes it makes to them.
//
// Each TableChange stands alone and in the statement's order: ALTER … RENAME TO is an ALTER and a
// RENAME. In an ALTER, a column of `after` continues the column of `before` that has its name,
// unless `renames` says otherwise: a name in renames.from belongs to the column renames.to now.
// RECOPY comes with the new definition when it is known: only the rows are not. STOP and RECOPY
// carry a reason. An empty table whose rows would be unknown is a DROP and a CREATE instead. A
// statement that concerns no replicated table gives no changes; one that changes nothing that a
// replica holds (an index's visibility) likewise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/ddl/build_column.h"
#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// The replicated tables as of the statement's position.
class SchemaLookup {
 public:
  virtual ~SchemaLookup() = default;
  // Null: not replicated, stopped, or unknown. Valid until the caller changes its tables.
  virtual const v1::TableDef* Find(const TableRef& table) const = 0;
  // Whether a new table of this name would be replicated. False for tables that have left the
  // replica: a CREATE TABLE IF NOT EXISTS says nothing about them.
  virtual bool Wants(const TableRef& table) const = 0;
  // Known and not followed: it has no key, or has left the replica. A DROP ends that, too.
  virtual bool HasLeft(const TableRef&) const { return false; }
  virtual std::vector<TableRef> TablesThatLeft() const { return {}; }
  // One of them that has only no key, and has never had a row; null: it is none. As Find().
  virtual const v1::TableDef* FindEmptyKeyless(const TableRef&) const { return nullptr; }
  // No row was ever in it: what the source would do to its rows does not matter.
  virtual bool IsEmpty(const TableRef&) const { return false; }
  // All that Find() knows.
  virtual std::vector<const v1::TableDef*> Tables() const = 0;
  // A database's default character set; nothing: not known.
  virtual std::optional<CharsetDefault> Database(const std::string& schema) const = 0;
};

// FAILED_PRECONDITION for row changes logged as a statement (Dml), which cannot be followed.
absl::StatusOr<std::vector<v1::TableChange>> ApplyStatement(const Statement& statement,
                                                            const SchemaLookup& lookup,
                                                            const SessionContext& context);

// CREATE, ALTER and DROP DATABASE: the default character set that tables created later inherit.
// `server`: what a database without a clause gets: the *session's* collation_server, the third
// value of the QUERY event's status variable 4. Nothing: another statement.
struct DatabaseChange {
  std::string schema;
  std::optional<CharsetDefault> charset;  // nothing: the database is dropped
};
std::optional<DatabaseChange> DatabaseChangeOf(const Statement& statement,
                                               const SchemaLookup& lookup,
                                               const CharsetDefault& server,
                                               const SessionContext& context);

}  // namespace chameleon::worker::ddl
