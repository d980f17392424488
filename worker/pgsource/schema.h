// Table definitions of a PostgreSQL source, in the words of the server itself.
//
// Columns have base type POSTGRES and PostgreSQL's spelling of the type, or ENUM with its labels.
// Exact, or refused by name: domains, composite types, types of extensions, and those whose text
// means something else on another server (money, reg…). Foreign and temporary tables are not
// tables; a partitioned table is one plain table. CHECK and EXCLUDE constraints are the source's
// affair.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "worker/pgsource/connection.h"
#include "worker/source/table_filter.h"

namespace chameleon::worker::pgsource {

struct PgTable {
  v1::TableDef def;
  bool partitioned = false;  // else its inheriting tables are tables of their own
};
struct PgSchema {
  std::vector<PgTable> tables;     // by schema, then name
  std::vector<std::string> notes;  // what is not carried, and why
};

// Names of the wanted tables, to be locked before anything is read.
absl::StatusOr<std::vector<v1::TableName>> ReadTableNames(Connection* connection,
                                                          const source::TableFilter& filter,
                                                          const v1::SourceOptions& options);
// FAILED_PRECONDITION: one line per column that cannot be carried.
absl::StatusOr<PgSchema> ReadSchema(Connection* connection,
                                    const std::vector<v1::TableName>& names);

}  // namespace chameleon::worker::pgsource
