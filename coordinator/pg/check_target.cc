#include <fmt/format.h>

#include "coordinator/pg/catalogue_impl.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

using target::Identifier;

// One target schema: missing, ours to replace, or somebody else's.
absl::Status CheckSchema(Session* session, const std::string& schema, bool initialised,
                         std::vector<std::string>* failed) {
  auto rows = session->Query(
      "SELECT current_user, current_database(),"
      " has_database_privilege(current_database(), 'CREATE'), n.oid IS NOT NULL,"
      " coalesce(pg_has_role(n.nspowner, 'USAGE'), false), pg_get_userbyid(n.nspowner)"
      " FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1",
      {schema});
  if (!rows.ok()) return rows.status();
  const std::string user = rows->Text(0, 0), database = rows->Text(0, 1);
  const bool may_create = rows->Bool(0, 2), exists = rows->Bool(0, 3), owned = rows->Bool(0, 4);
  if (initialised && !exists) {
    failed->push_back(
        fmt::format("target schema {} does not exist; run init_replica again", schema));
  } else if (!initialised && !may_create) {
    failed->push_back(
        fmt::format("role {} may not create schemas; run: GRANT CREATE ON DATABASE {} "
                    "TO {};",
                    user, Identifier(database), Identifier(user)));
  } else if (!initialised && exists && !owned) {
    failed->push_back(
        fmt::format("target schema {} belongs to role {}; run: ALTER SCHEMA {} OWNER TO {};",
                    schema, rows->Text(0, 5), Identifier(schema), Identifier(user)));
  }
  return absl::OkStatus();
}

absl::Status CheckTables(Session* session, const std::string& source,
                         std::vector<std::string>* failed) {
  auto rows = session->Query(
      "SELECT format('%I.%I', t.v_schema_name, t.v_table_name), c.oid IS NOT NULL"
      " FROM sch_chameleon.t_replica_tables t JOIN sch_chameleon.t_sources s USING (i_id_source)"
      " LEFT JOIN pg_catalog.pg_class c ON c.relname = t.v_table_name AND c.relnamespace ="
      " (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = t.v_schema_name)"
      " WHERE s.t_source = $1 AND t.b_replica_enabled AND NOT t.b_dropped"
      // A table whose newest version waits for replay may not have its name yet.
      " AND NOT EXISTS (SELECT FROM sch_chameleon.t_table_version v"
      "   JOIN sch_chameleon.t_last_replayed r ON r.i_id_source = t.i_id_source"
      "   WHERE v.i_id_table = t.i_id_table AND v.i_from_batch > r.i_last_batch + 1)"
      " AND (c.oid IS NULL OR NOT"
      " (has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
      " AND has_table_privilege(c.oid, 'DELETE') AND has_table_privilege(c.oid, 'SELECT')))"
      " ORDER BY 1",
      {source});
  if (!rows.ok()) return rows.status();
  for (size_t i = 0; i < rows->size(); ++i) {
    failed->push_back("target table " + rows->Text(i, 0) +
                      (rows->Bool(i, 1) ? " is not writable; grant SELECT, INSERT, UPDATE, DELETE"
                                        : " does not exist; run init_replica again"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTargetConditions(Session* session, const SourceConfig& source, bool initialised) {
  auto server = session->Execute(
      "SELECT pg_is_in_recovery(), current_setting('server_encoding'),"
      " current_setting('default_transaction_read_only')::boolean, current_database()");
  if (!server.ok()) return server.status();
  const std::string database = server->Text(0, 3);
  if (server->Bool(0, 0)) {
    return Error(absl::StatusCode::kUnavailable, "TARGET_IN_RECOVERY", database,
                 fmt::format("the target server of database {} is in recovery", database), "");
  }
  std::vector<std::string> failed;
  if (server->Text(0, 1) != "UTF8") {
    failed.push_back(
        fmt::format("database {} has encoding {}; UTF8 is needed", database, server->Text(0, 1)));
  }
  if (server->Bool(0, 2)) {
    failed.push_back(
        fmt::format("database {} is read only (default_transaction_read_only)", database));
  }
  for (const auto& [from, to] : source.options.schema_mappings()) {
    absl::Status status = CheckSchema(session, to, initialised, &failed);
    if (!status.ok()) return status;
  }
  if (initialised) {
    absl::Status status = CheckTables(session, source.name, &failed);
    if (!status.ok()) return status;
  }
  if (failed.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "TARGET_NOT_USABLE", database,
               fmt::format("{}", fmt::join(failed, "\n")),
               "Mend the target as said above and try again.");
}

}  // namespace chameleon::coordinator::pg
