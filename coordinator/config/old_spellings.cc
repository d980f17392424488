#include "coordinator/config/old_spellings.h"

#include <fmt/format.h>

namespace chameleon::coordinator::config {
namespace {

struct Old {
  std::string_view key;
  std::string_view hint;
};

// Of the file as a whole; NAME is the source that the file was about.
constexpr Old kOfTheFile[] = {
    {"my_database", "Name the database below sources.NAME.schema_mappings: \"DATABASE: SCHEMA\"."},
    {"destination_schema",
     "It is the value in sources.NAME.schema_mappings: \"DATABASE: SCHEMA\"."},
    {"pg_database", "Write it as pg_conn.database."},
    {"my_charset", "Remove it: values are taken in the character sets of their columns."},
    {"pg_charset", "Write it as pg_conn.charset."},
    {"mysql_conn", "Write it as sources.NAME.db_conn."},
    {"tables_limit", "Write it as sources.NAME.limit_tables, each table as schema.table."},
    {"copy_max_size", "Write sources.NAME.copy_max_memory: bytes instead of rows, as in 300M."},
    {"copy_max_rows", "Write sources.NAME.copy_max_memory: bytes instead of rows, as in 300M."},
    {"hexify", "Remove it: binary types are carried as they are."},
    {"skip_view", "Remove it: views are not copied."},
    {"source_name", "The source's name is its key below sources."},
};
constexpr Old kOfASource[] = {
    {"tables_limit", "Write it as limit_tables, each table as schema.table."},
    {"copy_max_size", "Write copy_max_memory: bytes instead of rows, as in 300M."},
    {"my_database", "Name the database below schema_mappings: \"DATABASE: SCHEMA\"."},
    {"destination_schema", "It is the value in schema_mappings: \"DATABASE: SCHEMA\"."},
    {"mysql_conn", "Write it as db_conn."},
    {"hexify", "Remove it: binary types are carried as they are."},
};
// These had the same name, but stood in the file itself.
constexpr std::string_view kMovedToSources[] = {
    "my_server_id", "replica_batch_size", "copy_mode",       "out_dir",        "sleep_loop",
    "skip_tables",  "limit_tables",       "batch_retention", "lock_timeout",   "schema_mappings",
    "db_conn",      "copy_max_memory",    "grant_select_to", "replay_max_rows"};

template <size_t size>
std::string Find(const Old (&list)[size], std::string_view key) {
  for (const Old& old : list) {
    if (old.key == key) return std::string(old.hint);
  }
  return "";
}

}  // namespace

std::string OldSpellingHint(std::string_view path, std::string_view key) {
  if (path.empty()) {
    for (const std::string_view moved : kMovedToSources) {
      if (key == moved) return fmt::format("Write it as sources.NAME.{}.", key);
    }
    return Find(kOfTheFile, key);
  }
  // "sources.NAME"
  const bool of_a_source =
      path.substr(0, 8) == "sources." && path.find('.', 8) == std::string_view::npos;
  return of_a_source ? Find(kOfASource, key) : "";
}

}  // namespace chameleon::coordinator::config
