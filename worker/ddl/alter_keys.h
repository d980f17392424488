// Which of a table's indexes and foreign keys an ALTER TABLE drops or renames.
#pragma once

#include <string>

#include "chameleon/v1/types.pb.h"
#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// DROP INDEX, DROP PRIMARY KEY, or a DROP CONSTRAINT that is not about a foreign key.
bool DropsIndex(const AlterTable& alter, const v1::TableDef& before, const v1::IndexDef& index);
bool DropsForeignKey(const AlterTable& alter, const v1::ForeignKeyDef& key);
std::string IndexNameAfter(const AlterTable& alter, const std::string& name);
// Not empty: the source may know a foreign key by another name than ours, so that its DROP would
// leave us the cascades. The reason, to be shown.
std::string ForeignKeyDoubt(const AlterTable& alter, const v1::TableDef& before,
                            const SessionContext& context);

}  // namespace chameleon::worker::ddl
