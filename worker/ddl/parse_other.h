// Statements that are not about a table's definition. See parser.h.
#pragma once

#include <optional>

#include "worker/ddl/cursor.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// BEGIN, COMMIT, SAVEPOINT, XA, …; nothing (and nothing taken) when something else stands here.
std::optional<TransactionControl> ParseTransaction(Cursor& in);

// After CREATE, ALTER or DROP DATABASE | SCHEMA.
CreateDatabase ParseCreateDatabase(Cursor& in, bool or_replace);
AlterDatabase ParseAlterDatabase(Cursor& in);
DropDatabase ParseDropDatabase(Cursor& in);

// After DROP [TEMPORARY] TABLE, RENAME TABLE, TRUNCATE.
DropTable ParseDropTable(Cursor& in);
RenameTable ParseRenameTable(Cursor& in);
TruncateTable ParseTruncate(Cursor& in);

// By the first words alone; nothing when they are none that are known.
std::optional<Statement> ClassifyByFirstWord(Cursor& in);
// What CREATE, ALTER and DROP of something else than tables and databases concerns ("view"): the
// words after the verb are looked at, nothing is taken. Empty: not known.
std::string BenignObject(Cursor& in);

}  // namespace chameleon::worker::ddl
