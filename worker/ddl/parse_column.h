// Column definitions: name, type with all its aliases, attributes. See parser.h.
//
// Failures stick in the cursor; the returned value is then meaningless.
#pragma once

#include "worker/ddl/cursor.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

TypeSpec ParseType(Cursor& in);
// name type attributes…
ColumnSpec ParseColumn(Cursor& in);
// What follows DEFAULT.
DefaultSpec ParseDefault(Cursor& in);
// FIRST | AFTER column | nothing
Placement ParsePlacement(Cursor& in);
// CURRENT_TIMESTAMP and its synonyms, with precision; empty: something else stands here.
std::string ParseNow(Cursor& in);
// REFERENCES table (columns) MATCH … ON DELETE … ON UPDATE …, into def.
void ParseReferences(Cursor& in, v1::ForeignKeyDef* def);
// CHARACTER SET | CHARSET | CHAR SET, then nothing taken of the value. True: it was there.
bool TakeCharsetWords(Cursor& in);
// A character set's name after those words; DEFAULT gives "".
std::string ParseCharsetName(Cursor& in);

}  // namespace chameleon::worker::ddl
