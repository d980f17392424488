#include "worker/source/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "proto/wire/error.h"
#include "worker/source/sql_text.h"

namespace chameleon::worker::source {
namespace {

constexpr int kUnknownColumn = 1054;
constexpr int kSyntaxError = 1064;
constexpr int kXaRefused = 1401;  // XAER_RMERR: XA_RECOVER_ADMIN is missing

uint64_t ToNumber(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

std::string WithoutSpace(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '\n' && c != '\r' && c != ' ') out += c;
  }
  return out;
}

}  // namespace

VersionNumber ParseVersion(std::string_view version) {
  // Old MariaDB announced itself as "5.5.5-10.0.12-MariaDB" to please old replicas.
  if (version.starts_with("5.5.5-")) version.remove_prefix(6);
  VersionNumber result;
  uint32_t parts[3] = {0, 0, 0};
  const char* at = version.data();
  const char* end = at + version.size();
  for (int i = 0; i < 3; ++i) {
    auto [next, error] = std::from_chars(at, end, parts[i]);
    if (error != std::errc()) return result;
    at = next;
    if (i < 2 && (at == end || *at++ != '.')) return result;
  }
  result.number = parts[0] * 10000 + parts[1] * 100 + parts[2];
  std::string lower = LowerAscii(version);
  for (const char* other : {"tidb", "vitess", "clickhouse", "oceanbase", "doris", "starrocks"}) {
    if (lower.find(other) != std::string::npos) return result;
  }
  result.kind =
      lower.find("mariadb") != std::string::npos ? v1::ServerInfo::MARIADB : v1::ServerInfo::MYSQL;
  return result;
}

absl::StatusOr<Variables> ReadVariables(Connection* connection,
                                        const std::vector<std::string_view>& names) {
  std::string list;
  for (std::string_view name : names) {
    if (!list.empty()) list += ",";
    list += QuoteText(name);
  }
  // Unlike SELECT @@name, a variable that this server does not have is only missing from the
  // result.
  auto table =
      connection->Query(fmt::format("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", list));
  if (!table.ok()) return table.status();
  Variables result;
  for (size_t i = 0; i < table->rows.size(); ++i) {
    result[LowerAscii(table->Get(i, 0))] = table->Get(i, 1);
  }
  return result;
}

absl::StatusOr<v1::ServerInfo> ReadServerInfo(Connection* connection) {
  auto version = connection->Query("SELECT VERSION()");
  if (!version.ok()) return version.status();
  auto variables = ReadVariables(
      connection, {"server_uuid", "server_uid", "lower_case_table_names", "gtid_mode"});
  if (!variables.ok()) return variables.status();
  Variables& v = *variables;
  v1::ServerInfo info;
  info.set_version(version->Get(0, 0));
  info.set_kind(ParseVersion(info.version()).kind);
  bool mariadb = info.kind() == v1::ServerInfo::MARIADB;
  info.set_server_id(mariadb ? v["server_uid"] : v["server_uuid"]);
  info.set_lower_case_table_names(static_cast<uint32_t>(ToNumber(v["lower_case_table_names"])));
  info.set_gtid_on(mariadb || v["gtid_mode"] == "ON");
  return info;
}

absl::Status ReadCharsets(Connection* connection, v1::ServerInfo* server) {
  auto defaults = connection->Query("SELECT @@character_set_server, @@collation_server");
  if (!defaults.ok()) return defaults.status();
  server->mutable_charset()->set_charset(defaults->Get(0, 0));
  server->mutable_charset()->set_collation(defaults->Get(0, 1));
  auto databases = connection->Query(
      "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM "
      "information_schema.SCHEMATA");
  if (!databases.ok()) return databases.status();
  server->clear_databases();
  for (size_t i = 0; i < databases->rows.size(); ++i) {
    v1::CharsetDefault& of = (*server->mutable_databases())[databases->Get(i, 0)];
    of.set_charset(databases->Get(i, 1));
    of.set_collation(databases->Get(i, 2));
  }
  // MariaDB 10.10 and later: a collation may go with several character sets, each with an id.
  auto collations = connection->Query(
      "SELECT ID, CHARACTER_SET_NAME FROM "
      "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY");
  if (!collations.ok() && ServerErrno(collations.status()) == kUnknownColumn) {
    collations =
        connection->Query("SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS");
  }
  if (!collations.ok()) return collations.status();
  for (size_t i = 0; i < collations->rows.size(); ++i) {
    (*server->mutable_charset_of_collation())[ToNumber(collations->Get(i, 0))] =
        collations->Get(i, 1);
  }
  return absl::OkStatus();
}

bool SessionsKeepDefaults(const v1::ServerInfo& server) {
  constexpr uint32_t kMysql8 = 80000;
  return server.kind() == v1::ServerInfo::MARIADB ||
         ParseVersion(server.version()).number < kMysql8;
}

absl::StatusOr<std::optional<TableNow>> ReadTableNow(const v1::SourceConnection& config,
                                                     const v1::TableName& name) {
  auto connection = Connection::Open(config);
  if (!connection.ok()) return connection.status();
  auto table = (*connection)
                   ->Query(fmt::format(
                       "SELECT TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED'), SUBSTRING_INDEX("
                       "TABLE_COLLATION, '_', 1), ENGINE FROM information_schema.TABLES WHERE "
                       "TABLE_SCHEMA = {} AND TABLE_NAME = {}",
                       QuoteText(name.schema()), QuoteText(name.table())));
  if (!table.ok()) return table.status();
  if (table->rows.empty()) return std::nullopt;
  return TableNow{table->Get(0, 0) == "1", table->Get(0, 1), table->Get(0, 2)};
}

absl::StatusOr<std::string> ReadDefaultEngine(const v1::SourceConnection& config) {
  auto connection = Connection::Open(config);
  if (!connection.ok()) return connection.status();
  auto engine = (*connection)->Query("SELECT @@GLOBAL.default_storage_engine");
  if (!engine.ok()) return engine.status();
  return engine->Get(0, 0);
}

absl::StatusOr<std::string> MariadbGtidPosition(Connection* connection, std::string_view file,
                                                uint64_t offset) {
  auto table =
      connection->Query(fmt::format("SELECT BINLOG_GTID_POS({}, {})", QuoteText(file), offset));
  if (!table.ok()) return table.status();
  return table->Get(0, 0);
}

absl::StatusOr<BinlogStatus> ReadBinlogStatus(Connection* connection,
                                              const v1::ServerInfo& server) {
  // Tried, not computed from the version: forks lie about versions.
  auto table = connection->Query("SHOW BINARY LOG STATUS");
  if (!table.ok() && ServerErrno(table.status()) == kSyntaxError) {
    table = connection->Query("SHOW MASTER STATUS");
  }
  if (!table.ok()) return table.status();
  BinlogStatus status;
  if (table->rows.empty()) return status;
  status.file = table->Get(0, "File");
  status.offset = ToNumber(table->Get(0, "Position"));
  status.do_db = table->Get(0, "Binlog_Do_DB");
  status.ignore_db = table->Get(0, "Binlog_Ignore_DB");
  status.gtid = WithoutSpace(table->Get(0, "Executed_Gtid_Set"));
  if (server.kind() == v1::ServerInfo::MARIADB) {
    auto gtid = MariadbGtidPosition(connection, status.file, status.offset);
    if (!gtid.ok()) return gtid.status();
    status.gtid = *gtid;
  }
  return status;
}

absl::StatusOr<std::vector<BinaryLog>> ReadBinaryLogs(Connection* connection) {
  auto table = connection->Query("SHOW BINARY LOGS");
  if (!table.ok()) return table.status();
  std::vector<BinaryLog> logs;
  for (size_t i = 0; i < table->rows.size(); ++i) {
    logs.push_back({table->Get(i, 0), ToNumber(table->Get(i, 1))});
  }
  return logs;
}

absl::StatusOr<size_t> CountPreparedXa(Connection* connection) {
  auto table = connection->Query("XA RECOVER");
  if (table.ok()) return table->rows.size();
  if (ServerErrno(table.status()) != kXaRefused) return table.status();
  return Error(absl::StatusCode::kFailedPrecondition, "PRIVILEGE_MISSING", "XA_RECOVER_ADMIN",
               "XA RECOVER is not allowed", "");
}

}  // namespace chameleon::worker::source
