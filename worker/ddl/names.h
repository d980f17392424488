// Names: how the servers compare and lower them, and the character sets by name.
//
// Character set facts are those of information_schema.character_sets [tried on MySQL 9.7 and
// MariaDB 10.11]; all but utf8mb4's default collation agree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "worker/ddl/session_context.h"

namespace chameleon::worker::ddl {

std::string UpperAscii(std::string_view text);
std::string LowerAscii(std::string_view text);

// Lower case of UTF-8 text, letter by letter, as lower_case_table_names and column names need it.
std::string LowerName(std::string_view name);
// Column, index and savepoint names: without regard to case.
bool SameName(std::string_view a, std::string_view b);

// The first `characters_max` characters of UTF-8 text. Without strict mode the server cuts comments
// that are too long.
std::string CutText(std::string_view text, size_t characters_max);
inline constexpr size_t kTableCommentMax = 2048;
inline constexpr size_t kColumnCommentMax = 1024;  // indexes, too

// A table or schema name as it is carried under the session's lower_case_table_names.
std::string TableCase(std::string_view name, const SessionContext& context);

bool IsCharset(std::string_view name);
// The server's current name, lower case: "UTF8" is "utf8mb3", unless the session says otherwise.
std::string CharsetName(std::string_view name, const SessionContext& context = {});
// Bytes of its longest character; 1 for unknown ones.
uint32_t CharsetMaxBytes(std::string_view charset);
std::string DefaultCollation(std::string_view charset, const SessionContext& context);
// "<charset>_bin"; "binary" for binary.
std::string BinaryCollation(std::string_view charset);
// Current name of a collation: "utf8_bin" is "utf8mb3_bin"; MariaDB's short "uca1400_ai_ci" gets
// the character set's name in front.
std::string CollationName(std::string_view name, std::string_view charset,
                          const SessionContext& context = {});
// The character set that a collation belongs to; empty: unknown.
std::string CharsetOfCollation(std::string_view collation);

}  // namespace chameleon::worker::ddl
