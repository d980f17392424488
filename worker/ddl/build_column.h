// A column as written → the column as the server stores it: inheritance, implications, defaults.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// What a column without a clause of its own inherits; also a database's default.
struct CharsetDefault {
  std::string charset;
  std::string collation;
};

// From what is written (either may be absent or "" for DEFAULT) over what is inherited.
CharsetDefault ResolveCharset(const std::optional<std::string>& charset,
                              const std::optional<std::string>& collation,
                              const CharsetDefault& inherited, const SessionContext& context);

// FAILED_PRECONDITION says what cannot be modelled. Primary keys and the first TIMESTAMP's implicit
// default are the table's matter.
absl::StatusOr<v1::ColumnDef> BuildColumn(const ColumnSpec& spec, const CharsetDefault& table,
                                          const SessionContext& context);

// Fills column_type and what it says (base_type, length, labels, …).
absl::Status SetColumnType(const TypeSpec& type, std::string_view charset,
                           const SessionContext& context, v1::ColumnDef* column);

// ALTER TABLE … CONVERT TO CHARACTER SET: the column in the new character set.
absl::Status ConvertColumn(const CharsetDefault& to, const SessionContext& context,
                           v1::ColumnDef* column);

// explicit_defaults_for_timestamp = OFF: what TIMESTAMP columns without clauses mean. `is_first`:
// it is the table's first TIMESTAMP column.
void SetImplicitTimestamp(bool is_first, const SessionContext& context, v1::ColumnDef* column);

}  // namespace chameleon::worker::ddl
