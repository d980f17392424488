// The catalogue's part in commands that change a source as a whole.
#include <fmt/format.h>

#include "coordinator/pg/catalogue_impl.h"
#include "coordinator/pg/catalogue_sql.h"
#include "coordinator/pg/message_json.h"
#include "coordinator/pg/upgrade.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

// How workers begin the reason of such a table.
constexpr char kRecopyReason[] = "it must be copied again: ";

}  // namespace

absl::Status PgCatalogue::SetPaused(uint64_t source_id, bool paused) {
  std::lock_guard lock(mutex_);
  return session_
      // The maintenance flag is one of the catalogue's that others may have left.
      .Query(
          "UPDATE sch_chameleon.t_sources SET b_paused = $2::boolean,"
          " b_maintenance = b_maintenance AND $2::boolean WHERE i_id_source = $1",
          {std::to_string(source_id), paused ? "t" : "f"})
      .status();
}

absl::Status PgCatalogue::DisableTables(uint64_t source_id,
                                        const std::vector<v1::TableName>& tables,
                                        const std::string& reason) {
  std::lock_guard lock(mutex_);
  for (const v1::TableName& table : tables) {
    auto rows = session_.Query(
        "UPDATE sch_chameleon.t_replica_tables SET b_replica_enabled = false, t_reason = $4,"
        " ts_disabled = clock_timestamp() WHERE i_id_source = $1 AND t_source_schema = $2"
        " AND ($3 = '' OR t_source_table = $3) AND b_replica_enabled",
        {std::to_string(source_id), table.schema(), table.table(), reason});
    if (!rows.ok()) return rows.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::TableName>> PgCatalogue::TablesToRecopy(uint64_t source_id) {
  std::lock_guard lock(mutex_);
  auto rows = session_.Query(
      "SELECT t_source_schema, t_source_table FROM sch_chameleon.t_replica_tables"
      " WHERE i_id_source = $1 AND NOT b_replica_enabled AND NOT b_dropped"
      " AND starts_with(t_reason, $2) ORDER BY 1, 2",
      {std::to_string(source_id), kRecopyReason});
  if (!rows.ok()) return rows.status();
  std::vector<v1::TableName> names;
  for (size_t i = 0; i < rows->size(); ++i) {
    v1::TableName& name = names.emplace_back();
    name.set_schema(rows->Text(i, 0));
    name.set_table(rows->Text(i, 1));
  }
  return names;
}

absl::Status PgCatalogue::SetSkipEvents(uint64_t source_id, const v1::SkipEvents& skip) {
  std::lock_guard lock(mutex_);
  std::vector<v1::TableName> names(skip.insert().begin(), skip.insert().end());
  names.insert(names.end(), skip.update().begin(), skip.update().end());
  names.insert(names.end(), skip.delete_().begin(), skip.delete_().end());
  const std::string json = ToJsonArray(names);
  return session_
      .Query("SELECT sch_chameleon.fn_set_skip_events($1, $2::json)",
             {std::to_string(source_id), json.empty() ? "[]" : json})
      .status();
}

absl::StatusOr<bool> PgCatalogue::MaintenanceDue(uint64_t source_id, const std::string& interval) {
  std::lock_guard lock(mutex_);
  auto rows = session_.Query("SELECT sch_chameleon.fn_maintenance_due($1, $2::interval)",
                             {std::to_string(source_id), interval});
  if (!rows.ok()) return rows.status();
  return rows->Bool(0, 0);
}

absl::StatusOr<std::vector<std::string>> PgCatalogue::UpdateSchemaMappings(
    uint64_t source_id, const std::map<std::string, std::string>& schema_mappings) {
  std::lock_guard lock(mutex_);
  auto rows = session_.Query(
      "SELECT sch_chameleon.fn_update_schema_mappings($1, ($2::jsonb)->'schema_mappings')",
      {std::to_string(source_id), MappingsJson(schema_mappings)});
  if (rows.ok()) return rows->Array(0, 0);
  const std::string state = SqlState(rows.status());
  if (state == "CH014") {
    return Error(absl::StatusCode::kFailedPrecondition, "ROWS_TO_REPLAY", std::to_string(source_id),
                 "the schema mappings cannot be changed while rows wait for replay",
                 "Run start_replica, wait until show_status shows none pending, then stop_replica "
                 "and this command again.");
  }
  if (state == "CH015") {
    const std::string text = Text(rows.status());
    return Error(absl::StatusCode::kFailedPrecondition, "MAPPINGS_CONFLICT",
                 std::to_string(source_id), text.substr(0, text.find("\nCONTEXT")),
                 "Change schema_mappings in the configuration, or rename the schema that is in "
                 "the way.");
  }
  return rows.status();
}

absl::Status PgCatalogue::EndLife(uint64_t source_id, bool keep_tables) {
  std::lock_guard lock(mutex_);
  return session_
      .Query("SELECT sch_chameleon.fn_end_life($1, $2::boolean)",
             {std::to_string(source_id), keep_tables ? "t" : "f"})
      .status();
}

absl::StatusOr<std::string> PgCatalogue::UpgradeReplicaSchema(const Config& config) {
  auto version = SchemaVersion();
  if (!version.ok()) return version.status();
  if (*version == kCatalogueVersion) {
    return fmt::format("the replica schema has the newest version already, {}", *version);
  }
  std::lock_guard lock(mutex_);
  auto session = session_.Get(false);
  if (!session.ok()) return session.status();
  return UpgradeCatalogue(*session, config, *version);
}

absl::Status PgCatalogue::EnableInOldCatalogue(const std::string& source) {
  auto version = SchemaVersion();
  if (!version.ok()) return version.status();
  std::lock_guard lock(mutex_);
  auto session = session_.Get(false);
  if (!session.ok()) return session.status();
  if (KindOf(*version) != CatalogueKind::kV2 && KindOf(*version) != CatalogueKind::kV1) {
    return session_.Get(true).status();
  }
  auto rows = (*session)->Query(
      "UPDATE sch_chameleon.t_sources SET enm_status = 'stopped' WHERE t_source = $1"
      " RETURNING t_source",
      {source});
  if (!rows.ok()) return rows.status();
  if (!rows->empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND", source,
               fmt::format("the old catalogue has no source {}", source), "");
}

}  // namespace chameleon::coordinator::pg
