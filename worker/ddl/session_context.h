// How the source's session read a statement: what the text alone does not say.
//
// Filled by the caller from the QUERY event's status variables and the server's identity. All texts
// are UTF-8 (the caller has converted the statement from character_set_client).
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace chameleon::worker::ddl {

enum class ServerKind { kMysql, kMariadb };

struct SessionContext {
  ServerKind server = ServerKind::kMysql;
  uint32_t server_version = 0;  // major * 10000 + minor * 100 + patch: 90704, 101119
  std::string default_database;
  // 0: names are case-sensitive. 1, 2: they are not, and are carried here in lower case.
  uint32_t lower_case_table_names = 0;
  bool ansi_quotes = false;
  bool no_backslash_escapes = false;
  bool pipes_as_concat = false;
  bool real_as_float = false;
  bool oracle = false;  // MariaDB sql_mode=ORACLE
  bool mssql = false;   // MariaDB sql_mode=MSSQL: [names]
  bool no_auto_value_on_zero = false;
  bool utf8_is_utf8mb4 = false;  // MySQL 9.7 sql_mode=INTERPRET_UTF8_AS_UTF8MB4
  bool explicit_defaults_for_timestamp = true;
  bool foreign_key_checks = true;
  std::string default_engine = "InnoDB";  // of CREATE TABLE without a clause
  // Default collation by character set, where the server's differs from its built-in one
  // (default_collation_for_utf8mb4, MariaDB 11's character_set_collations).
  std::map<std::string, std::string> default_collations;

  bool mariadb() const { return server == ServerKind::kMariadb; }

  // sql_mode as the QUERY event carries it (status variable 1).
  void SetSqlMode(uint64_t mode) {
    real_as_float = mode & 0x1;
    pipes_as_concat = mode & 0x2;
    ansi_quotes = mode & 0x4;
    no_auto_value_on_zero = mode & 0x80000;
    oracle = mariadb() && (mode & 0x200);
    mssql = mariadb() && (mode & 0x400);
    no_backslash_escapes = mode & 0x100000;
    utf8_is_utf8mb4 = !mariadb() && (mode & 0x200000000);
  }
};

}  // namespace chameleon::worker::ddl
