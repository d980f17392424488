// Reads one statement of the binary log.
//
// Recursive descent over the grammar of MySQL 5.5–9.x and MariaDB 10–11. It accepts what the
// servers accept (the statement has run there) and a little more; it does not check.
// Never fails and never throws: what is not understood becomes Unparsed with a reason and the
// tables it may be about. Nothing becomes Benign that is not named so on purpose.
#pragma once

#include <string>
#include <string_view>

#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// `text` is UTF-8 (converted from the session's character_set_client).
Statement Parse(std::string_view text, const SessionContext& context);

// One line for logs, the ledger and tests: "ALTER TABLE", "benign: view", "refused: INSERT".
std::string Describe(const Statement& statement);

}  // namespace chameleon::worker::ddl
