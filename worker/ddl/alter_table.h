// ALTER TABLE on a definition, as the server does it: all actions at once, each naming the columns
// and indexes of the table as it was.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"
#include "worker/ddl/table_builder.h"

namespace chameleon::worker::ddl {

struct AlterResult {
  v1::TableDef def;  // under the old name
  std::vector<v1::ColumnRename> renames;
  std::optional<TableRef> rename_to;
  // Not empty: the rows after it are known only to the source.
  std::string recopy_reason;
  bool brings_rows = false;              // even if there were none: they come from elsewhere
  std::optional<TableRef> recopy_other;  // EXCHANGE PARTITION: the other table likewise
};

// `database`: the default character set of the table's database.
// FAILED_PRECONDITION: the statement and `before` do not fit together, or cannot be modelled.
absl::StatusOr<AlterResult> ApplyAlter(const AlterTable& alter, const v1::TableDef& before,
                                       const CharsetDefault& database,
                                       const SessionContext& context,
                                       const TableBuilder::FindTable& find_table);

}  // namespace chameleon::worker::ddl
