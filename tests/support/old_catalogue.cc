#include "tests/support/old_catalogue.h"

#include <fmt/format.h>

namespace chameleon::test {
namespace {

// What both catalogues share. 1.7 keeps the row in jsb_event_data and the key before an update in
// jsb_event_update; its keys are one text, "a","b".
constexpr char kShared[] = R"(
CREATE SCHEMA sch_chameleon;
CREATE TYPE sch_chameleon.en_src_status AS ENUM
  ('ready', 'initialising', 'initialised', 'syncing', 'synced', 'stopped', 'running', 'error');
CREATE TYPE sch_chameleon.en_binlog_event AS ENUM ('delete', 'update', 'insert', 'ddl');
CREATE TABLE sch_chameleon.t_replica_batch (
  i_id_batch bigserial PRIMARY KEY, i_id_source bigint NOT NULL, t_binlog_name text,
  v_log_table varchar NOT NULL DEFAULT 't_log_replica', i_binlog_position bigint,
  b_started boolean NOT NULL DEFAULT false, b_processed boolean NOT NULL DEFAULT false,
  b_replayed boolean NOT NULL DEFAULT false,
  ts_created timestamp NOT NULL DEFAULT clock_timestamp(), ts_processed timestamp,
  ts_replayed timestamp, i_replayed bigint, i_skipped bigint, i_ddl bigint);
CREATE TABLE sch_chameleon.t_batch_events (
  i_id_batch bigint PRIMARY KEY REFERENCES sch_chameleon.t_replica_batch ON DELETE CASCADE,
  i_id_event bigint[] NOT NULL);
CREATE TABLE sch_chameleon.t_replica_tables (
  i_id_table bigserial PRIMARY KEY, i_id_source bigint NOT NULL, v_table_name varchar(100) NOT NULL,
  v_schema_name varchar(100) NOT NULL, v_table_pkey varchar(100)[] NOT NULL);
CREATE TABLE sch_chameleon.t_discarded_rows (
  i_id_row bigserial PRIMARY KEY, i_id_batch bigint NOT NULL,
  ts_discard timestamptz NOT NULL DEFAULT clock_timestamp(), v_table_name varchar(100) NOT NULL,
  v_schema_name varchar(100) NOT NULL, t_row_data text);
CREATE TABLE sch_chameleon.t_log_replica (
  i_id_event bigserial PRIMARY KEY, i_id_batch bigint NOT NULL, v_table_name varchar(100) NOT NULL,
  v_schema_name varchar(100) NOT NULL, enm_binlog_event sch_chameleon.en_binlog_event NOT NULL,
  t_binlog_name text, i_binlog_position bigint,
  ts_event_datetime timestamp NOT NULL DEFAULT clock_timestamp(), t_query text,
  i_my_event_time bigint);
)";

constexpr char kV2[] = R"(
CREATE TYPE sch_chameleon.en_src_type AS ENUM ('mysql', 'pgsql');
CREATE TYPE sch_chameleon.ty_replay_status AS (
  b_continue boolean, b_error boolean, v_table_error varchar[]);
CREATE TABLE sch_chameleon.t_sources (
  i_id_source bigserial PRIMARY KEY, t_source text NOT NULL UNIQUE, jsb_schema_mappings jsonb NOT NULL,
  enm_status sch_chameleon.en_src_status NOT NULL DEFAULT 'ready', t_binlog_name text,
  i_binlog_position bigint, b_consistent boolean NOT NULL DEFAULT true,
  b_paused boolean NOT NULL DEFAULT false, b_maintenance boolean NOT NULL DEFAULT false,
  ts_last_maintenance timestamp, enm_source_type sch_chameleon.en_src_type NOT NULL,
  v_log_table varchar[]);
CREATE TABLE sch_chameleon.t_last_received (
  i_id_source bigint PRIMARY KEY, b_paused boolean NOT NULL DEFAULT false,
  ts_last_received timestamp);
CREATE TABLE sch_chameleon.t_last_replayed (
  i_id_source bigint PRIMARY KEY, b_paused boolean NOT NULL DEFAULT false,
  ts_last_replayed timestamp);
CREATE TABLE sch_chameleon.t_error_log (
  i_id_log bigserial PRIMARY KEY, i_id_batch bigint NOT NULL, i_id_source bigint NOT NULL,
  v_table_name varchar(100) NOT NULL, v_schema_name varchar(100) NOT NULL, t_table_pkey text NOT NULL,
  t_binlog_name text NOT NULL, i_binlog_position bigint NOT NULL, ts_error timestamp, t_sql text,
  t_error_message text);
ALTER TABLE sch_chameleon.t_replica_batch ADD t_gtid_set text;
ALTER TABLE sch_chameleon.t_replica_tables ADD t_binlog_name text, ADD i_binlog_position bigint,
  ADD b_replica_enabled boolean NOT NULL DEFAULT true;
ALTER TABLE sch_chameleon.t_log_replica ADD jsb_event_after jsonb, ADD jsb_event_before jsonb;
CREATE FUNCTION sch_chameleon.fn_replay_mysql(integer, integer, boolean)
RETURNS sch_chameleon.ty_replay_status LANGUAGE plpgsql AS $$
DECLARE
  v_batch bigint;
  v_event record;
  v_status sch_chameleon.ty_replay_status := (false, false, NULL);
BEGIN
  SELECT i_id_batch INTO v_batch FROM sch_chameleon.t_replica_batch
  JOIN sch_chameleon.t_batch_events USING (i_id_batch)
  WHERE i_id_source = $2 AND b_started AND b_processed AND NOT b_replayed
  ORDER BY ts_created LIMIT 1;
  IF v_batch IS NULL THEN RETURN v_status; END IF;
  FOR v_event IN SELECT l.* FROM sch_chameleon.t_log_replica l
                 WHERE l.i_id_batch = v_batch ORDER BY l.i_id_event LOOP
    BEGIN
      EXECUTE format('INSERT INTO %I.%I SELECT * FROM jsonb_populate_record(NULL::%I.%I, $1)',
                     v_event.v_schema_name, v_event.v_table_name, v_event.v_schema_name,
                     v_event.v_table_name) USING v_event.jsb_event_after;
    EXCEPTION WHEN OTHERS THEN
      v_status.b_error := true;
      v_status.v_table_error := ARRAY[v_event.v_table_name || ': ' || SQLERRM];
      RETURN v_status;
    END;
  END LOOP;
  DELETE FROM sch_chameleon.t_log_replica WHERE i_id_batch = v_batch;
  DELETE FROM sch_chameleon.t_batch_events WHERE i_id_batch = v_batch;
  UPDATE sch_chameleon.t_replica_batch SET b_replayed = true WHERE i_id_batch = v_batch;
  v_status.b_continue := true;
  RETURN v_status;
END $$;
)";

constexpr char kV1[] = R"(
CREATE TABLE sch_chameleon.t_sources (
  i_id_source bigserial PRIMARY KEY, t_source text NOT NULL UNIQUE, t_dest_schema text NOT NULL,
  enm_status sch_chameleon.en_src_status NOT NULL DEFAULT 'ready', ts_last_received timestamp,
  v_log_table varchar[], t_source_schema text, ts_last_replay timestamp);
ALTER TABLE sch_chameleon.t_log_replica ADD jsb_event_data jsonb, ADD jsb_event_update jsonb;
CREATE FUNCTION sch_chameleon.fn_process_batch(integer, integer)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN false;
END $$;
)";

void AddBatch(Pg* pg, const std::string& source_id, const LogPlace& place) {
  pg->Exec(fmt::format(
      "INSERT INTO sch_chameleon.t_replica_batch (i_id_source, t_binlog_name, i_binlog_position,"
      " b_started, b_processed, b_replayed, ts_created) VALUES ({0}, {1}, 4, true, true, true,"
      " clock_timestamp() - interval '1 hour'), ({0}, {1}, {2}, true, false, false,"
      " clock_timestamp() + interval '1 hour')",
      source_id, PgLiteral(place.file), place.offset));
}

}  // namespace

LogPlace EndOfLog(SourceServer* source) {
  const Rows rows = source->Connect().Query(source->is_mariadb() ? "SHOW MASTER STATUS"
                                                                 : "SHOW BINARY LOG STATUS");
  return {*rows[0][0], std::stoll(*rows[0][1])};
}

void CreateCatalogueV2(Pg* pg, const std::string& version) {
  pg->Exec(std::string(kShared) + kV2 + "CREATE VIEW sch_chameleon.v_version AS SELECT " +
           PgLiteral(version) + "::text AS t_version");
}

std::string AddSourceV2(Pg* pg, const std::string& name, const std::string& mappings,
                        const LogPlace& place) {
  const std::string id = pg->One(fmt::format(
      "INSERT INTO sch_chameleon.t_sources (t_source, jsb_schema_mappings, enm_status,"
      " t_binlog_name, i_binlog_position, enm_source_type) VALUES ({}, {}, 'stopped', {}, {},"
      " 'mysql') RETURNING i_id_source",
      PgLiteral(name), PgLiteral(mappings), PgLiteral(place.file), place.offset));
  AddBatch(pg, id, place);
  return id;
}

void AddTables(Pg* pg, const std::string& source_id, const std::string& schema,
               const std::string& tables) {
  pg->Exec(fmt::format(
      "INSERT INTO sch_chameleon.t_replica_tables (i_id_source, v_table_name, v_schema_name,"
      " v_table_pkey) SELECT {}, trim(t), {}, ARRAY['id'] FROM unnest(string_to_array({}, ',')) t",
      source_id, PgLiteral(schema), PgLiteral(tables)));
}

void AddPendingInsertV2(Pg* pg, const std::string& source_id, const std::string& schema,
                        const std::string& table, const std::string& row) {
  pg->Exec(fmt::format(
      "WITH b AS (INSERT INTO sch_chameleon.t_replica_batch (i_id_source, t_binlog_name,"
      " i_binlog_position, b_started, b_processed) VALUES ({}, 'read', 4, true, true)"
      " RETURNING i_id_batch), l AS (INSERT INTO sch_chameleon.t_log_replica (i_id_batch,"
      " v_table_name, v_schema_name, enm_binlog_event, jsb_event_after)"
      " SELECT i_id_batch, {}, {}, 'insert', {} FROM b RETURNING i_id_batch, i_id_event)"
      " INSERT INTO sch_chameleon.t_batch_events SELECT i_id_batch, ARRAY[i_id_event] FROM l",
      source_id, PgLiteral(table), PgLiteral(schema), PgLiteral(row)));
}

void CreateCatalogueV1(Pg* pg, const std::string& version) {
  pg->Exec(std::string(kShared) + kV1 + "CREATE VIEW sch_chameleon.v_version AS SELECT " +
           PgLiteral(version) + "::text AS t_version");
}

std::string AddSourceV1(Pg* pg, const std::string& name, const std::string& from,
                        const std::string& to, const LogPlace& place) {
  const std::string id = pg->One(fmt::format(
      "INSERT INTO sch_chameleon.t_sources (t_source, t_dest_schema, t_source_schema, enm_status)"
      " VALUES ({}, {}, {}, 'stopped') RETURNING i_id_source",
      PgLiteral(name), PgLiteral(to), PgLiteral(from)));
  AddBatch(pg, id, place);
  return id;
}

std::string Fingerprint(Pg* pg, const std::string& schema) {
  std::string text = pg->One(fmt::format(
      "SELECT string_agg(x, E'\\n' ORDER BY x) FROM (SELECT relkind::text || ' ' || relname AS x"
      " FROM pg_class WHERE relnamespace = {0}::regnamespace UNION ALL SELECT 'f ' || proname ||"
      " md5(prosrc) FROM pg_proc WHERE pronamespace = {0}::regnamespace) s",
      PgLiteral(schema)));
  for (const Row& table : pg->Query(fmt::format(
           "SELECT relname FROM pg_class WHERE relnamespace = {}::regnamespace AND relkind = 'r'"
           " ORDER BY 1",
           PgLiteral(schema)))) {
    text += pg->One(fmt::format(
        "SELECT E'\\n{1}: ' || coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '')"
        " FROM {0}.{1} t",
        PgName(schema), *table[0]));
  }
  return text;
}

}  // namespace chameleon::test
