#include "worker/stream/query_context.h"

#include <cstdio>

#include "worker/ddl/names.h"
#include "worker/encode/charset.h"
#include "worker/encode/escape.h"

namespace chameleon::worker::stream {
namespace {

// "9.7.4-2" → 90704, "10.11.19-MariaDB-log" → 101119.
uint32_t VersionNumber(const std::string& version) {
  unsigned major = 0, minor = 0, patch = 0;
  sscanf(version.c_str(), "%u.%u.%u", &major, &minor, &patch);
  return major * 10000 + minor * 100 + patch;
}

}  // namespace

ddl::SessionContext ContextOf(const binlog::Query& query, const v1::ServerInfo& server) {
  ddl::SessionContext context;
  context.server = server.kind() == v1::ServerInfo::MARIADB ? ddl::ServerKind::kMariadb
                                                            : ddl::ServerKind::kMysql;
  context.server_version = VersionNumber(server.version());
  context.default_database = std::string(query.database);
  context.lower_case_table_names = server.lower_case_table_names();
  if (query.sql_mode.has_value()) context.SetSqlMode(*query.sql_mode);
  // MariaDB says it in a bit of flags2; MySQL in a variable of its own, only where it matters.
  if (query.explicit_defaults_for_timestamp.has_value()) {
    context.explicit_defaults_for_timestamp = *query.explicit_defaults_for_timestamp != 0;
  } else if (context.mariadb() && query.flags2.has_value()) {
    context.explicit_defaults_for_timestamp = (*query.flags2 & 0x01000000) != 0;
  }
  if (query.flags2.has_value()) context.foreign_key_checks = (*query.flags2 & 0x04000000) == 0;
  return context;
}

// MySQL writes CREATE TABLE … SELECT, and tables that it gives a key, anew: in UTF-8, whatever the
// session's character set.
bool IsRewritten(std::string_view statement) {
  return statement.ends_with(" START TRANSACTION") ||
         statement.find(
             "`my_row_id` bigint unsigned NOT NULL AUTO_INCREMENT /*!80023 INVISIBLE */") !=
             std::string_view::npos;
}

absl::StatusOr<std::string> TextOf(const binlog::Query& query, const v1::ServerInfo& server) {
  std::string text;
  const bool is_mysql = server.kind() == v1::ServerInfo::MYSQL;
  if (encode::IsAscii(query.statement) || !query.charset_client.has_value() ||
      (is_mysql && IsRewritten(query.statement))) {
    encode::AppendText(query.statement, encode::Escape::kNone, &text);
    return text;
  }
  const auto name = server.charset_of_collation().find(*query.charset_client);
  if (name == server.charset_of_collation().end()) {
    encode::AppendText(query.statement, encode::Escape::kNone, &text);
    return text;
  }
  auto charset = encode::Charset::Find(name->second);
  if (!charset.ok()) return charset.status();
  (*charset)->Decode(query.statement, &text);
  return text;
}

ddl::CharsetDefault InheritedCharset(const binlog::Query& query, const v1::ServerInfo& server) {
  const ddl::CharsetDefault own{server.charset().charset(), server.charset().collation()};
  if (!query.collation_server.has_value()) return own;
  const auto session = server.charset_of_collation().find(*query.collation_server);
  if (session == server.charset_of_collation().end() || session->second == own.charset) return own;
  return {session->second, ddl::DefaultCollation(session->second, ContextOf(query, server))};
}

}  // namespace chameleon::worker::stream
