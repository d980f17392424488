#include "coordinator/pg/catalogue.h"

#include <fmt/format.h>

#include <array>

#include "coordinator/pg/catalogue_impl.h"
#include "coordinator/pg/catalogue_sql.h"
#include "coordinator/pg/message_json.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

constexpr std::array<std::pair<v1::SourceState, std::string_view>, 8> kStates = {{
    {v1::READY, "ready"},
    {v1::INITIALISING, "initialising"},
    {v1::INITIALISED, "initialised"},
    {v1::SYNCING, "syncing"},
    {v1::SYNCED, "synced"},
    {v1::RUNNING, "running"},
    {v1::STOPPED, "stopped"},
    {v1::ERROR, "error"},
}};

constexpr std::string_view kBusy = "('running', 'initialising', 'syncing')";

absl::Status NoSource(const std::string& name, const std::vector<std::string>& names) {
  return Error(absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND", name,
               fmt::format("source {} is not registered", name),
               names.empty() ? "Register it with add_source."
                             : fmt::format("Register it with add_source. Registered: {}.",
                                           fmt::join(names, ", ")));
}

}  // namespace

std::string MappingsJson(const std::map<std::string, std::string>& mappings) {
  v1::SourceStatus carrier;  // any message with such a map prints as {…,"schema_mappings":{…}}
  *carrier.mutable_schema_mappings() = {mappings.begin(), mappings.end()};
  return ToJson(carrier);
}

std::string_view StateText(v1::SourceState state) {
  for (const auto& [value, text] : kStates) {
    if (value == state) return text;
  }
  return "ready";
}

v1::SourceState StateOf(std::string_view text) {
  for (const auto& [value, name] : kStates) {
    if (name == text) return value;
  }
  return v1::SOURCE_STATE_UNSPECIFIED;
}

std::unique_ptr<Catalogue> Catalogue::Create(const TargetConnection& target,
                                             const std::string& application_name) {
  return std::make_unique<PgCatalogue>(target, application_name);
}

absl::StatusOr<bool> PgCatalogue::SchemaExists() {
  std::lock_guard lock(mutex_);
  auto session = session_.Get(false);
  if (!session.ok()) return session.status();
  auto rows = (*session)->Execute("SELECT to_regnamespace('sch_chameleon') IS NOT NULL");
  if (!rows.ok()) return rows.status();
  return rows->Bool(0, 0);
}

absl::StatusOr<std::string> PgCatalogue::SchemaVersion() {
  std::lock_guard lock(mutex_);
  auto session = session_.Get(false);
  if (!session.ok()) return session.status();
  auto rows = (*session)->Execute("SELECT t_version FROM sch_chameleon.v_version");
  if (!rows.ok()) {
    const std::string state = SqlState(rows.status());
    if (state != "42P01" && state != "3F000") return rows.status();
  } else if (!rows->empty()) {
    return rows->Text(0, 0);
  }
  return Error(absl::StatusCode::kFailedPrecondition, "NO_REPLICA_SCHEMA",
               session_.target().database,
               fmt::format("there is no replica schema in database {}", session_.target().database),
               "Create it with create_replica_schema.");
}

absl::Status PgCatalogue::CreateReplicaSchema() {
  std::lock_guard lock(mutex_);
  auto session = session_.Get(false);
  if (!session.ok()) return session.status();
  const std::string& database = session_.target().database;
  auto rows = (*session)->Execute(
      "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
      " current_setting('server_encoding'), current_user,"
      " has_database_privilege(current_database(), 'CREATE'),"
      " to_regnamespace('sch_chameleon') IS NOT NULL");
  if (!rows.ok()) return rows.status();
  if (rows->Bool(0, 5)) {
    return Error(absl::StatusCode::kAlreadyExists, "REPLICA_SCHEMA_EXISTS", database,
                 fmt::format("database {} already has a replica schema", database), "");
  }
  if (rows->Int(0, 0) < 140000) {
    return Error(absl::StatusCode::kFailedPrecondition, "TARGET_VERSION", database,
                 fmt::format("the target runs PostgreSQL {}", rows->Text(0, 1)),
                 "PostgreSQL 14 or later is needed.");
  }
  if (rows->Text(0, 2) != "UTF8") {
    return Error(absl::StatusCode::kFailedPrecondition, "TARGET_ENCODING", database,
                 fmt::format("database {} has encoding {}", database, rows->Text(0, 2)),
                 "Create the target database with ENCODING 'UTF8' TEMPLATE template0.");
  }
  if (!rows->Bool(0, 4)) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "TARGET_PRIVILEGE", database,
        fmt::format("role {} may not create schemas in database {}", rows->Text(0, 3), database),
        fmt::format("Run: GRANT CREATE ON DATABASE {} TO {};", target::Identifier(database),
                    target::Identifier(rows->Text(0, 3))));
  }
  Transaction transaction(*session);
  if (absl::Status status = transaction.Begin(); !status.ok()) return status;
  auto created = (*session)->Execute(kCatalogueSql);
  if (!created.ok()) return WithContext(created.status(), "create_replica_schema");
  auto version = (*session)->Query("INSERT INTO sch_chameleon.t_catalogue (t_version) VALUES ($1)",
                                   {std::string(kCatalogueVersion)});
  if (!version.ok()) return version.status();
  return transaction.Commit();
}

absl::Status PgCatalogue::DropReplicaSchema() {
  std::lock_guard lock(mutex_);
  auto session = session_.Get(false);
  if (!session.ok()) return session.status();
  auto exists = (*session)->Execute(
      "SELECT to_regclass('sch_chameleon.t_sources') IS NOT NULL,"
      " to_regnamespace('sch_chameleon') IS NOT NULL");
  if (!exists.ok()) return exists.status();
  if (!exists->Bool(0, 1)) {
    return Error(
        absl::StatusCode::kNotFound, "NO_REPLICA_SCHEMA", session_.target().database,
        fmt::format("there is no replica schema in database {}", session_.target().database), "");
  }
  if (exists->Bool(0, 0)) {
    auto busy =
        (*session)->Execute(fmt::format("SELECT t_source, enm_status FROM sch_chameleon.t_sources"
                                        " WHERE enm_status IN {} ORDER BY 1",
                                        kBusy));
    if (!busy.ok()) return busy.status();
    if (!busy->empty()) {
      return Error(absl::StatusCode::kFailedPrecondition, "SOURCE_BUSY", busy->Text(0, 0),
                   fmt::format("source {} is {}", busy->Text(0, 0), busy->Text(0, 1)),
                   "Stop all replicas first with stop_all_replicas.");
    }
  }
  return (*session)
      ->Execute("BEGIN; SET LOCAL lock_timeout = '10s'; DROP SCHEMA sch_chameleon CASCADE; COMMIT")
      .status();
}

absl::Status PgCatalogue::TakeLeadership() {
  std::lock_guard lock(mutex_);
  return leadership_.Take(session_.target(), application_name_);
}

absl::Status PgCatalogue::HoldsLeadership() {
  std::lock_guard lock(mutex_);
  return leadership_.Holds();
}

void PgCatalogue::GiveUpLeadership() {
  std::lock_guard lock(mutex_);
  leadership_.GiveUp();
}

absl::StatusOr<SourceRecord> PgCatalogue::AddSource(
    const std::string& name, const std::string& type,
    const std::map<std::string, std::string>& schema_mappings) {
  std::lock_guard lock(mutex_);
  auto taken = session_.Query(
      "SELECT m.value, s.t_source FROM sch_chameleon.t_sources s,"
      " jsonb_each_text(s.jsb_schema_mappings) m,"
      " jsonb_each_text(($1::jsonb)->'schema_mappings') n"
      " WHERE m.value = n.value AND s.t_source <> $2 ORDER BY 1",
      {MappingsJson(schema_mappings), name});
  if (!taken.ok()) return taken.status();
  if (!taken->empty()) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "SCHEMA_TAKEN", taken->Text(0, 0),
        fmt::format("target schema {} belongs to source {}", taken->Text(0, 0), taken->Text(0, 1)),
        "Map the source to a schema of its own in schema_mappings.");
  }
  auto added = session_.Query(
      "SELECT sch_chameleon.fn_add_source($1, $2::sch_chameleon.en_src_type,"
      " ($3::jsonb)->'schema_mappings')",
      {name, type, MappingsJson(schema_mappings)});
  if (!added.ok()) {
    if (SqlState(added.status()) != "23505") return added.status();
    return Error(absl::StatusCode::kAlreadyExists, "SOURCE_EXISTS", name,
                 fmt::format("source {} is already registered", name), "");
  }
  return Find(name);
}

absl::Status PgCatalogue::DropSource(const std::string& name) {
  std::lock_guard lock(mutex_);
  auto source = Find(name);
  if (!source.ok()) return source.status();
  if (kBusy.find(fmt::format("'{}'", StateText(source->state))) != std::string_view::npos) {
    return Error(absl::StatusCode::kFailedPrecondition, "SOURCE_BUSY", name,
                 fmt::format("source {} is {}", name, StateText(source->state)),
                 "Stop it first with stop_replica.");
  }
  return session_.Query("SELECT sch_chameleon.fn_drop_source($1)", {std::to_string(source->id)})
      .status();
}

absl::StatusOr<SourceRecord> PgCatalogue::GetSource(const std::string& name) {
  std::lock_guard lock(mutex_);
  return Find(name);
}

absl::StatusOr<std::vector<SourceRecord>> PgCatalogue::ListSources() {
  std::lock_guard lock(mutex_);
  return Sources("", {});
}

absl::StatusOr<SourceRecord> PgCatalogue::Find(const std::string& name) {
  auto sources = Sources("", {});
  if (!sources.ok()) return sources.status();
  std::vector<std::string> names;
  for (SourceRecord& source : *sources) {
    if (source.name == name) return std::move(source);
    names.push_back(source.name);
  }
  return NoSource(name, names);
}

absl::StatusOr<std::vector<SourceRecord>> PgCatalogue::Sources(const std::string& where,
                                                               const std::vector<Param>& params) {
  auto rows = session_.Query(
      "SELECT s.i_id_source, s.t_source, s.enm_source_type, s.enm_status, s.i_epoch, s.t_worker,"
      " s.t_replica_uuid, json_build_object('schema_mappings', s.jsb_schema_mappings),"
      " s.t_binlog_name, s.i_binlog_position, s.t_gtid_set, s.t_server_id, s.i_file_created,"
      " r.t_binlog_name, r.i_binlog_position, r.t_gtid_set, r.t_server_id, r.i_file_created,"
      " s.b_paused, s.b_take_over FROM sch_chameleon.t_sources s LEFT JOIN "
      "sch_chameleon.t_last_replayed r USING"
      " (i_id_source) " +
          where + " ORDER BY s.t_source",
      params);
  if (!rows.ok()) return rows.status();
  std::vector<SourceRecord> sources;
  for (size_t i = 0; i < rows->size(); ++i) {
    SourceRecord& source = sources.emplace_back();
    source.id = rows->Uint(i, 0);
    source.name = rows->Text(i, 1);
    source.type = rows->Text(i, 2);
    source.state = StateOf(rows->Text(i, 3));
    source.epoch = rows->Uint(i, 4);
    source.worker = rows->Text(i, 5);
    source.replica_uuid = rows->Text(i, 6);
    v1::SourceStatus mappings;
    if (absl::Status status = FromJson(rows->Text(i, 7), &mappings); !status.ok()) return status;
    source.schema_mappings = {mappings.schema_mappings().begin(), mappings.schema_mappings().end()};
    source.received = PositionAt(*rows, i, 8);
    source.replayed = PositionAt(*rows, i, 13);
    source.paused = rows->Bool(i, 18);
    source.take_over = rows->Bool(i, 19);
  }
  return sources;
}

absl::Status PgCatalogue::SetState(uint64_t source_id, v1::SourceState from, v1::SourceState to,
                                   const std::string& error) {
  std::lock_guard lock(mutex_);
  auto rows = session_.Query(
      "UPDATE sch_chameleon.t_sources SET enm_status = $3::sch_chameleon.en_src_status,"
      " t_last_error = CASE WHEN $4 = '' THEN t_last_error ELSE $4 END,"
      " ts_last_error = CASE WHEN $4 = '' THEN ts_last_error ELSE clock_timestamp() END,"
      " t_worker = CASE WHEN $3 IN ('running', 'initialising', 'syncing') THEN t_worker ELSE '' END"
      " WHERE i_id_source = $1 AND enm_status = $2::sch_chameleon.en_src_status"
      " RETURNING i_id_source",
      {std::to_string(source_id), std::string(StateText(from)), std::string(StateText(to)), error});
  if (!rows.ok()) return rows.status();
  if (!rows->empty()) return absl::OkStatus();
  auto now = session_.Query(
      "SELECT t_source, enm_status FROM sch_chameleon.t_sources WHERE i_id_source = $1",
      {std::to_string(source_id)});
  if (!now.ok()) return now.status();
  if (now->empty()) return NoSource(std::to_string(source_id), {});
  return absl::AbortedError(fmt::format("source {} is {}, not {} any more", now->Text(0, 0),
                                        now->Text(0, 1), StateText(from)));
}

absl::Status PgCatalogue::ForceState(uint64_t source_id, v1::SourceState to,
                                     const std::string& error) {
  std::lock_guard lock(mutex_);
  auto rows = session_.Query(
      "UPDATE sch_chameleon.t_sources SET enm_status = $2::sch_chameleon.en_src_status,"
      " t_last_error = $3,"
      " ts_last_error = CASE WHEN $3 = '' THEN NULL ELSE clock_timestamp() END,"
      " t_worker = CASE WHEN $2 IN ('running', 'initialising', 'syncing') THEN t_worker ELSE '' END"
      " WHERE i_id_source = $1 RETURNING i_id_source",
      {std::to_string(source_id), std::string(StateText(to)), error});
  if (!rows.ok()) return rows.status();
  return rows->empty() ? NoSource(std::to_string(source_id), {}) : absl::OkStatus();
}

absl::StatusOr<uint64_t> PgCatalogue::NewEpoch(uint64_t source_id, const std::string& worker) {
  std::lock_guard lock(mutex_);
  auto rows = session_.Query("SELECT sch_chameleon.fn_new_epoch($1, $2)",
                             {std::to_string(source_id), worker});
  if (!rows.ok()) return rows.status();
  if (rows->IsNull(0, 0)) return NoSource(std::to_string(source_id), {});
  return rows->Uint(0, 0);
}

absl::StatusOr<ReplicationStart> PgCatalogue::LoadReplication(uint64_t source_id) {
  std::lock_guard lock(mutex_);
  const std::string id = std::to_string(source_id);
  auto source = session_.Query(
      "SELECT t_source, i_last_batch, t_binlog_name, i_binlog_position, t_gtid_set, t_server_id,"
      " i_file_created FROM sch_chameleon.t_sources WHERE i_id_source = $1",
      {id});
  if (!source.ok()) return source.status();
  if (source->empty()) return NoSource(id, {});
  if (source->IsNull(0, 2)) {
    return Error(absl::StatusCode::kFailedPrecondition, "SOURCE_NOT_INITIALISED",
                 source->Text(0, 0),
                 fmt::format("source {} was never initialised", source->Text(0, 0)),
                 "Run init_replica first.");
  }
  ReplicationStart start;
  start.next_batch_id = source->Uint(0, 1) + 1;
  start.received = PositionAt(*source, 0, 2);
  auto tables = session_.Query(
      "SELECT jsn_def, jsn_plan, jsn_valid_from FROM ("
      " SELECT DISTINCT ON (v.i_id_table) v.i_id_table, v.jsn_def, v.jsn_plan, v.jsn_valid_from"
      " FROM sch_chameleon.t_table_version v JOIN sch_chameleon.t_replica_tables t USING"
      " (i_id_table) WHERE t.i_id_source = $1 AND t.b_replica_enabled AND v.i_from_batch <= $2"
      " ORDER BY v.i_id_table, v.i_from_batch DESC) n"
      // Not those that a batch which waits for replay has dropped or stopped.
      " WHERE (n.jsn_plan->>'replicated')::boolean ORDER BY n.i_id_table",
      {id, std::to_string(start.next_batch_id)});
  if (!tables.ok()) return tables.status();
  for (size_t i = 0; i < tables->size(); ++i) {
    v1::TableVersion& version = start.tables.emplace_back();
    for (auto [column, message] :
         {std::pair<int, google::protobuf::Message*>{0, version.mutable_def()},
          {1, version.mutable_plan()},
          {2, version.mutable_valid_from()}}) {
      absl::Status status = FromJson(tables->Text(i, column), message);
      if (!status.ok()) return status;
    }
  }
  // Those that have left: a DROP ends them.
  auto left = session_.Query(
      "SELECT t.i_id_table, t.t_source_schema, t.t_source_table, t.t_reason"
      " FROM sch_chameleon.t_replica_tables t LEFT JOIN LATERAL ("
      " SELECT (v.jsn_plan->>'replicated')::boolean AS replicated"
      " FROM sch_chameleon.t_table_version v WHERE v.i_id_table = t.i_id_table"
      " AND v.i_from_batch <= $2 ORDER BY v.i_from_batch DESC LIMIT 1) n ON true"
      " WHERE t.i_id_source = $1 AND NOT t.b_dropped"
      " AND NOT (t.b_replica_enabled AND coalesce(n.replicated, false)) ORDER BY 1",
      {id, std::to_string(start.next_batch_id)});
  if (!left.ok()) return left.status();
  for (size_t i = 0; i < left->size(); ++i) {
    v1::TableVersion& version = start.tables.emplace_back();
    version.mutable_def()->mutable_name()->set_schema(left->Text(i, 1));
    version.mutable_def()->mutable_name()->set_table(left->Text(i, 2));
    version.mutable_plan()->set_table_id(left->Uint(i, 0));
    *version.mutable_plan()->mutable_source() = version.def().name();
    version.mutable_plan()->set_reason(left->Text(i, 3));
  }
  auto prepared = session_.Query(
      "SELECT json_build_object('xid', replace(encode(b_xid, 'base64'), E'\\n', ''), 'parts', "
      "i_parts)"
      " FROM sch_chameleon.t_xa_prepared WHERE i_id_source = $1",
      {id});
  if (!prepared.ok()) return prepared.status();
  for (size_t i = 0; i < prepared->size(); ++i) {
    absl::Status status = FromJson(prepared->Text(i, 0), &start.prepared.emplace_back());
    if (!status.ok()) return status;
  }
  auto databases = session_.Query(
      "SELECT t_database, t_charset, t_collation, b_changed FROM sch_chameleon.t_database_default"
      " WHERE i_id_source = $1",
      {id});
  if (!databases.ok()) return databases.status();
  for (size_t i = 0; i < databases->size(); ++i) {
    v1::DatabaseDefault& of = start.databases.emplace_back();
    of.set_database(databases->Text(i, 0));
    of.set_changed(databases->Bool(i, 3));
    if (databases->Text(i, 1).empty()) continue;
    of.mutable_charset()->set_charset(databases->Text(i, 1));
    of.mutable_charset()->set_collation(databases->Text(i, 2));
  }
  return start;
}

absl::Status PgCatalogue::CheckTarget(const SourceConfig& source, bool initialised) {
  std::lock_guard lock(mutex_);
  auto session = session_.Get(true);
  if (!session.ok()) return session.status();
  return CheckTargetConditions(*session, source, initialised);
}

}  // namespace chameleon::coordinator::pg
