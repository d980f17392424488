#include "worker/source/preflight.h"

#include <fmt/format.h>

#include "proto/wire/error.h"
#include "worker/source/connection.h"
#include "worker/source/preflight_rules.h"
#include "worker/source/schema_reader.h"
#include "worker/source/server.h"
#include "worker/source/sql_text.h"
#include "worker/source/table_filter.h"

namespace chameleon::worker::source {
namespace {

constexpr int kPrivilegeNeeded = 1227;

absl::Status ReadGrants(Connection* connection, Facts* facts) {
  auto user = connection->Query("SELECT CURRENT_USER()");
  if (!user.ok()) return user.status();
  std::string account = user->Get(0, 0);
  size_t at = account.rfind('@');
  facts->account = fmt::format("'{}'@'{}'", account.substr(0, at), account.substr(at + 1));
  std::string sql = "SHOW GRANTS";
  if (facts->server.kind() == v1::ServerInfo::MYSQL) {
    // MariaDB lists the privileges of the active role; MySQL only when asked for by name.
    auto roles = connection->Query("SELECT CURRENT_ROLE()");
    if (roles.ok() && roles->Get(0, 0) != "NONE" && !roles->Get(0, 0).empty()) {
      sql = fmt::format("SHOW GRANTS FOR CURRENT_USER() USING {}", roles->Get(0, 0));
    }
  }
  auto grants = connection->Query(sql);
  if (!grants.ok()) return grants.status();
  for (size_t i = 0; i < grants->rows.size(); ++i) facts->grants.AddLine(grants->Get(i, 0));
  return absl::OkStatus();
}

absl::Status ReadStatus(Connection* connection, Facts* facts) {
  auto status = ReadBinlogStatus(connection, facts->server);
  if (status.ok()) {
    facts->status = *status;
    return absl::OkStatus();
  }
  if (ServerErrno(status.status()) != kPrivilegeNeeded) return status.status();
  facts->may_read_status = false;
  return absl::OkStatus();
}

// By the statement that this server knows and the account may use; else by a status variable that
// everybody sees, which knows only replicas that run (MariaDB, MySQL 5).
absl::Status ReadReplica(Connection* connection, Facts* facts) {
  if (!LogsOwnChangesOnly(*facts)) return absl::OkStatus();
  constexpr int kSyntax = 1064;
  for (const char* sql : {"SHOW REPLICA STATUS", "SHOW ALL SLAVES STATUS", "SHOW SLAVE STATUS"}) {
    auto t = connection->Query(sql);
    if (!t.ok() && ServerErrno(t.status()) != kSyntax &&
        ServerErrno(t.status()) != kPrivilegeNeeded) {
      return t.status();
    }
    if (!t.ok()) continue;
    facts->is_replica = facts->is_replica || !t->rows.empty();
  }
  auto t = connection->Query(
      "SHOW GLOBAL STATUS WHERE Variable_name IN ('Slave_running', 'Slaves_running')");
  if (!t.ok()) return t.status();
  for (size_t i = 0; i < t->rows.size(); ++i) {
    facts->is_replica = facts->is_replica || (t->Get(i, 1) != "OFF" && t->Get(i, 1) != "0");
  }
  return absl::OkStatus();
}

absl::Status ReadForSnapshot(Connection* connection, const TableFilter& filter, Facts* facts) {
  auto xa = CountPreparedXa(connection);
  if (xa.ok()) {
    facts->prepared_xa = *xa;
  } else if (xa.status().code() == absl::StatusCode::kFailedPrecondition) {
    facts->may_see_xa = false;
  } else {
    return xa.status();
  }
  for (const std::string& schema : facts->schemas) {
    auto t = connection->Query(fmt::format(
        "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA={} AND "
        "TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') AND ENGINE NOT IN "
        "('InnoDB','ROCKSDB','TokuDB','BLACKHOLE') ORDER BY TABLE_NAME",
        QuoteText(schema)));
    if (!t.ok()) return t.status();
    for (size_t i = 0; i < t->rows.size(); ++i) {
      if (!filter.Wants(schema, t->Get(i, 0))) continue;
      facts->non_transactional.push_back(
          fmt::format("{}.{} ({})", schema, t->Get(i, 0), t->Get(i, 1)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PreflightResult> Preflight(const v1::SourceConnection& config,
                                          const v1::SourceOptions& options, bool for_snapshot,
                                          const TableNames& only) {
  auto connection = Connection::Open(config);
  if (!connection.ok()) return connection.status();
  auto server = ReadServerInfo(connection->get());
  if (!server.ok()) return server.status();
  if (auto bad = JudgeVersion(server->version()); !bad.empty()) return ToStatus(bad);
  Facts facts;
  facts.server = *server;
  facts.for_snapshot = for_snapshot;
  for (const v1::TableName& name : only) facts.only.push_back(name.schema());
  auto variables = ReadVariables(connection->get(), PreflightVariables());
  if (!variables.ok()) return variables.status();
  facts.variables = *variables;
  if (auto s = ReadGrants(connection->get(), &facts); !s.ok()) return s;
  if (auto s = ReadStatus(connection->get(), &facts); !s.ok()) return s;
  if (auto s = ReadReplica(connection->get(), &facts); !s.ok()) return s;
  TableFilter filter(options, server->lower_case_table_names());
  auto schemas = ReadSchemaNames(connection->get(), filter);
  if (!schemas.ok()) return schemas.status();
  facts.schemas = *schemas;
  if (for_snapshot) {
    if (auto s = ReadForSnapshot(connection->get(), filter, &facts); !s.ok()) return s;
  }
  if (auto bad = Judge(facts, options); !bad.empty()) return ToStatus(bad);
  return PreflightResult{*server, Warn(facts), MissingSchemas(facts, options)};
}

}  // namespace chameleon::worker::source
