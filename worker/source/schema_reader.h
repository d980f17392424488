// Table definitions of the mapped schemas, from information_schema in a few queries per schema.
//
// Views, sequences and temporary tables are not tables; BLACKHOLE tables have no rows to copy and
// are left out with a note. Columns are in storage order with invisible and generated ones, and
// with the two that implicit system versioning hides: the order of a row image (facts 5.3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "worker/source/connection.h"
#include "worker/source/table_filter.h"

namespace chameleon::worker::source {

struct SourceSchema {
  std::vector<v1::TableDef> tables;  // by schema, then name
  std::vector<std::string> notes;    // what was left out and why
};

// `schemas`: names as the server spells them. The session must give utf8mb4 results
// (a new connection does). DATA_LOSS names a column whose type is unknown.
absl::StatusOr<SourceSchema> ReadSchema(Connection* connection, const v1::ServerInfo& server,
                                        const std::vector<std::string>& schemas,
                                        const TableFilter& filter);

// One table; nullopt: there is none that `filter` wants.
absl::StatusOr<std::optional<v1::TableDef>> ReadTable(Connection* connection,
                                                      const v1::ServerInfo& server,
                                                      const v1::TableName& name,
                                                      const TableFilter& filter);

// The mapped schemas that exist, as the server spells them.
absl::StatusOr<std::vector<std::string>> ReadSchemaNames(Connection* connection,
                                                         const TableFilter& filter);

// Whether rows of both definitions look alike in a SELECT with an explicit column list.
bool SameColumns(const v1::TableDef& a, const v1::TableDef& b);

}  // namespace chameleon::worker::source
