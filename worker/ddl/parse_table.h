// The parts that CREATE TABLE, ALTER TABLE and CREATE INDEX share. See parser.h.
//
// Failures stick in the cursor; returned values are then meaningless.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "worker/ddl/cursor.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

struct CheckSpec {};  // parsed, of no effect on a replica
using KeySpec = std::variant<IndexSpec, ForeignKeySpec, CheckSpec, PeriodSpec>;

// An index, foreign key, CHECK or PERIOD; nothing (and nothing taken) when a column stands here.
std::optional<KeySpec> ParseKey(Cursor& in);
// (column(length) DESC, (expression), …)
void ParseIndexParts(Cursor& in, IndexSpec* index);
// USING …, COMMENT …, KEY_BLOCK_SIZE …
void ParseIndexOptions(Cursor& in, IndexSpec* index);
// One table option into `options`; false: none stands here.
bool ParseTableOption(Cursor& in, TableOptions* options);
// IF EXISTS / IF NOT EXISTS
bool TakeIfExists(Cursor& in);
bool TakeIfNotExists(Cursor& in);
// MariaDB: WAIT n | NOWAIT
void SkipWait(Cursor& in);

CreateTable ParseCreateTable(Cursor& in, bool or_replace);  // after CREATE … TABLE
AlterTable ParseAlterTable(Cursor& in, bool ignore);        // after ALTER … TABLE
AlterTable ParseCreateIndex(Cursor& in, v1::IndexDef::Kind kind, bool or_replace);  // after INDEX
AlterTable ParseDropIndex(Cursor& in);                                              // after INDEX

}  // namespace chameleon::worker::ddl
