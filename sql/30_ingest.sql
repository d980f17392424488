-- The receiving end of the batch invariant.

-- Stores one batch whose lines this transaction has copied into p_log_table: its row, its schema
-- versions, its ledger, and the received position. All of it only if the lease is current and the
-- batch begins exactly where the last one ended; otherwise CH001 (stale epoch), CH002 (gap,
-- duplicate or wrong number). Returns the log table for the next batch. A batch without rows and
-- versions is an idle advance: it consumes its number and moves the position, but leaves no row.
-- p_xa: what it does with a prepared transaction (XaStep); CH003: there is none of that xid.
-- Takes the row of t_sources last and briefly: COPY runs without any lock on it.
CREATE FUNCTION sch_chameleon.fn_store_batch(
  p_i_id_source bigint, p_epoch bigint, p_batch bigint, p_begin json, p_end json,
  p_more boolean, p_exclusive boolean, p_rows integer, p_changes integer, p_commit_us bigint,
  p_log_table varchar, p_log_rows_max bigint, p_versions json DEFAULT NULL,
  p_ledger json DEFAULT NULL, p_defs text[] DEFAULT NULL,
  p_xa json DEFAULT NULL, p_databases json DEFAULT NULL)
RETURNS varchar LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_src sch_chameleon.t_sources;
  v_rows integer := p_rows; -- lines to replay
  v_commit timestamptz;
  v_open boolean;
  v_switch boolean := false;
BEGIN
  SELECT * INTO v_src FROM sch_chameleon.t_sources
  WHERE i_id_source = p_i_id_source FOR NO KEY UPDATE;
  IF NOT FOUND OR v_src.i_epoch <> p_epoch THEN
    RAISE EXCEPTION 'epoch % of source % is over, the current one is %', p_epoch, p_i_id_source,
      coalesce(v_src.i_epoch::text, 'none') USING ERRCODE = 'CH001';
  END IF;
  IF v_src.i_last_batch + 1 <> p_batch THEN
    RAISE EXCEPTION 'batch % of source % is not the next one, %', p_batch, v_src.t_source,
      v_src.i_last_batch + 1 USING ERRCODE = 'CH002';
  END IF;
  IF (v_src.t_binlog_name, v_src.i_binlog_position, v_src.t_gtid_set, v_src.t_server_id,
      v_src.i_file_created) IS DISTINCT FROM
     (p_begin->>'file', (p_begin->>'offset')::bigint, p_begin->>'gtid', p_begin->>'server_id',
      (p_begin->>'file_created')::bigint) THEN
    RAISE EXCEPTION 'batch % of source % begins at %:%, the received position is %:%', p_batch,
      v_src.t_source, p_begin->>'file', p_begin->>'offset', v_src.t_binlog_name,
      v_src.i_binlog_position USING ERRCODE = 'CH002';
  END IF;
  IF p_log_table <> v_src.v_log_table[1] THEN
    RAISE EXCEPTION 'batch % of source % is in log table %, the current one is %', p_batch,
      v_src.t_source, p_log_table, v_src.v_log_table[1] USING ERRCODE = 'CH002';
  END IF;

  IF p_xa IS NOT NULL THEN
    v_rows := sch_chameleon.fn_xa_step(
      p_i_id_source, p_batch, p_rows, p_more, p_log_table, p_xa->>'kind',
      decode(p_xa->>'xid', 'base64'), (p_xa->>'part')::integer);
  END IF;

  v_open := v_src.b_batch_open AND (p_xa->>'kind' = 'PREPARE') IS NOT TRUE;
  v_commit := CASE WHEN p_commit_us > 0
                   THEN timestamptz 'epoch' + p_commit_us * interval '1 microsecond' END;
  IF v_rows > 0 OR p_more OR v_open OR p_versions IS NOT NULL THEN
    INSERT INTO sch_chameleon.t_replica_batch (
      i_id_batch, i_id_source, t_binlog_name, i_binlog_position, t_gtid_set, t_server_id,
      i_file_created, t_begin_binlog_name, i_begin_binlog_position, ts_source_commit, b_more,
      b_exclusive, i_rows, i_changes, ts_processed, v_log_table)
    VALUES (
      p_batch, p_i_id_source, p_end->>'file', (p_end->>'offset')::bigint, p_end->>'gtid',
      p_end->>'server_id', (p_end->>'file_created')::bigint, v_src.t_binlog_name,
      v_src.i_binlog_position, v_commit, p_more, p_exclusive, v_rows, p_changes,
      clock_timestamp(), p_log_table);
    -- Switch between whole transactions only, and only to an empty table.
    v_switch := NOT p_more AND v_src.i_log_rows + v_rows >= p_log_rows_max
      AND pg_relation_size(format('sch_chameleon.%I', v_src.v_log_table[2])::regclass) = 0;
  ELSIF NOT EXISTS (SELECT FROM sch_chameleon.t_replica_batch b
                    WHERE b.i_id_source = p_i_id_source AND NOT b.b_replayed) THEN
    -- Nothing waits for replay: what readers see is the source as of here.
    UPDATE sch_chameleon.t_last_replayed r
    SET t_binlog_name = p_end->>'file', i_binlog_position = (p_end->>'offset')::bigint,
        t_gtid_set = p_end->>'gtid', t_server_id = p_end->>'server_id',
        i_file_created = (p_end->>'file_created')::bigint, i_last_batch = p_batch,
        ts_last_replayed = clock_timestamp(),
        ts_source_commit = coalesce(v_commit, r.ts_source_commit)
    WHERE r.i_id_source = p_i_id_source;
  END IF;

  UPDATE sch_chameleon.t_sources s
  SET t_binlog_name = p_end->>'file', i_binlog_position = (p_end->>'offset')::bigint,
      t_gtid_set = p_end->>'gtid', t_server_id = p_end->>'server_id',
      i_file_created = (p_end->>'file_created')::bigint,
      i_last_batch = p_batch, b_batch_open = p_more,
      ts_source_commit = coalesce(v_commit, s.ts_source_commit),
      ts_last_received = clock_timestamp(),
      b_idle = v_rows = 0 AND p_commit_us = 0 AND NOT p_more,
      v_log_table = CASE WHEN v_switch THEN ARRAY[v_log_table[2], v_log_table[1]]
                         ELSE v_log_table END,
      i_log_rows = CASE WHEN v_switch THEN 0 ELSE i_log_rows + v_rows END
  WHERE s.i_id_source = p_i_id_source;

  IF p_versions IS NOT NULL THEN
    PERFORM sch_chameleon.fn_store_version(p_i_id_source, p_batch + 1, v.value, p_defs[v.i])
    FROM json_array_elements(p_versions) WITH ORDINALITY AS v(value, i);
  END IF;
  IF p_ledger IS NOT NULL THEN
    PERFORM sch_chameleon.fn_store_ledger(p_i_id_source, p_ledger);
  END IF;
  IF p_databases IS NOT NULL THEN
    PERFORM sch_chameleon.fn_store_databases(p_i_id_source, p_databases);
  END IF;
  RETURN CASE WHEN v_switch THEN v_src.v_log_table[2] ELSE v_src.v_log_table[1] END;
END $$;

-- Databases' defaults (protobuf JSON of DatabaseDefault, in order) that changed.
CREATE FUNCTION sch_chameleon.fn_store_databases(p_i_id_source bigint, p_databases json)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_of json;
BEGIN
  FOR v_of IN SELECT d FROM json_array_elements(p_databases) d LOOP
    INSERT INTO sch_chameleon.t_database_default
    VALUES (p_i_id_source, v_of->>'database', coalesce(v_of->'charset'->>'charset', ''),
            coalesce(v_of->'charset'->>'collation', ''), (v_of->>'changed')::boolean)
    ON CONFLICT (i_id_source, t_database) DO UPDATE
    SET t_charset = EXCLUDED.t_charset, t_collation = EXCLUDED.t_collation,
        b_changed = EXCLUDED.b_changed;
  END LOOP;
END $$;

-- The defaults of all databases, where a copy begins the source's life.
CREATE FUNCTION sch_chameleon.fn_start_databases(p_i_id_source bigint, p_databases json)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM sch_chameleon.t_database_default WHERE i_id_source = p_i_id_source;
  SELECT sch_chameleon.fn_store_databases(p_i_id_source, p_databases)
$$;

CREATE FUNCTION sch_chameleon.fn_store_ledger(p_i_id_source bigint, p_ledger json)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO sch_chameleon.t_ledger AS l (
    i_id_source, i_id_table, t_kind, i_count, t_example_key, t_example_binlog_name,
    i_example_binlog_position)
  -- A batch may say the same several times.
  SELECT p_i_id_source, coalesce((e->>'table_id')::bigint, 0), e->>'kind',
         sum((e->>'count')::bigint), coalesce(min(e->>'example_key'), ''),
         (array_agg(e->'example_position'->>'file'))[1],
         (array_agg((e->'example_position'->>'offset')::bigint))[1]
  FROM json_array_elements(p_ledger) e GROUP BY 1, 2, 3
  ON CONFLICT (i_id_source, i_id_table, t_kind)
  DO UPDATE SET i_count = l.i_count + EXCLUDED.i_count, ts_last = clock_timestamp()
$$;

-- What policies altered in tables that were copied: it replaces what was counted before.
CREATE FUNCTION sch_chameleon.fn_start_ledger(
  p_i_id_source bigint, p_tables bigint[], p_ledger json)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM sch_chameleon.t_ledger
  WHERE i_id_source = p_i_id_source AND i_id_table = ANY (p_tables);
  SELECT sch_chameleon.fn_store_ledger(p_i_id_source, p_ledger)
$$;

-- Stores a TableVersion (protobuf JSON with original names) that holds from p_from_batch on. Its
-- definition comes apart as text: a default may hold U+0000, which json accepts but no operator on
-- it does. The table's row shows the newest version received; replay follows t_table_version. A
-- version without a target table is the table's end.
CREATE FUNCTION sch_chameleon.fn_store_version(
  p_i_id_source bigint, p_from_batch bigint, p_version json, p_def text DEFAULT '{}')
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_plan json := p_version->'plan';
  v_from json := coalesce(p_version->'valid_from', '{}');
  v_id bigint := (v_plan->>'table_id')::bigint;
BEGIN
  PERFORM sch_chameleon.fn_show_version(p_i_id_source, v_id, v_plan, v_from);
  INSERT INTO sch_chameleon.t_table_version AS v (
    i_id_table, i_from_batch, t_binlog_name, i_binlog_position, jsn_valid_from, jsn_def, jsn_plan,
    t_delete, t_update, t_update_key, t_insert, t_delete_updated, t_insert_updated)
  SELECT v_id, p_from_batch, v_from->>'file', (v_from->>'offset')::bigint, v_from,
         coalesce(p_def, '{}')::json, v_plan, s.t_delete, s.t_update, s.t_update_key,
         s.t_insert, s.t_delete_updated, s.t_insert_updated
  FROM sch_chameleon.fn_replay_statements(v_plan) s
  ON CONFLICT (i_id_table, i_from_batch) DO UPDATE
  SET t_binlog_name = EXCLUDED.t_binlog_name, i_binlog_position = EXCLUDED.i_binlog_position,
      jsn_valid_from = EXCLUDED.jsn_valid_from, jsn_def = EXCLUDED.jsn_def,
      jsn_plan = EXCLUDED.jsn_plan, t_delete = EXCLUDED.t_delete, t_update = EXCLUDED.t_update,
      t_update_key = EXCLUDED.t_update_key, t_insert = EXCLUDED.t_insert,
      t_delete_updated = EXCLUDED.t_delete_updated, t_insert_updated = EXCLUDED.t_insert_updated;
END $$;

-- Makes the table's row show a version. A name belongs to whoever took it last.
CREATE FUNCTION sch_chameleon.fn_show_version(
  p_i_id_source bigint, p_table bigint, p_plan json, p_from json)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF coalesce(p_plan->>'target_table', '') = '' THEN
    UPDATE sch_chameleon.t_replica_tables SET b_dropped = true
    WHERE i_id_table = p_table AND i_id_source = p_i_id_source;
    RETURN;
  END IF;
  UPDATE sch_chameleon.t_replica_tables SET b_dropped = true
  WHERE i_id_source = p_i_id_source AND NOT b_dropped AND i_id_table <> p_table
    AND t_source_schema = p_plan->'source'->>'schema'
    AND t_source_table = p_plan->'source'->>'table';
  INSERT INTO sch_chameleon.t_replica_tables (
    i_id_table, i_id_source, v_table_name, v_schema_name, t_source_schema, t_source_table,
    v_table_pkey, t_binlog_name, i_binlog_position, b_replicated, b_replica_enabled, t_reason)
  SELECT p_table, p_i_id_source, p_plan->>'target_table', p_plan->>'target_schema',
         p_plan->'source'->>'schema', p_plan->'source'->>'table',
         ARRAY(SELECT c->>'target_name' FROM json_array_elements(p_plan->'columns') c
               WHERE (c->>'is_key')::boolean),
         p_from->>'file', (p_from->>'offset')::bigint,
         coalesce((p_plan->>'replicated')::boolean, false),
         coalesce((p_plan->>'replicated')::boolean, false), coalesce(p_plan->>'reason', '')
  ON CONFLICT (i_id_table) DO UPDATE
  SET v_table_name = EXCLUDED.v_table_name, v_schema_name = EXCLUDED.v_schema_name,
      t_source_schema = EXCLUDED.t_source_schema, t_source_table = EXCLUDED.t_source_table,
      v_table_pkey = EXCLUDED.v_table_pkey, b_dropped = false;
END $$;

-- Forgets the versions that hold only behind batch p_last_from - 1: their batches are gone.
CREATE FUNCTION sch_chameleon.fn_drop_versions(p_i_id_source bigint, p_last_from bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_tables bigint[];
  v_last record;
BEGIN
  WITH gone AS (
    DELETE FROM sch_chameleon.t_table_version v USING sch_chameleon.t_replica_tables t
    WHERE t.i_id_table = v.i_id_table AND t.i_id_source = p_i_id_source
      AND v.i_from_batch > p_last_from
    RETURNING v.i_id_table)
  SELECT array_agg(DISTINCT i_id_table) INTO v_tables FROM gone;
  IF v_tables IS NULL THEN
    RETURN;
  END IF;
  DELETE FROM sch_chameleon.t_replica_tables t
  WHERE t.i_id_table = ANY (v_tables)
    AND NOT EXISTS (SELECT FROM sch_chameleon.t_table_version v
                    WHERE v.i_id_table = t.i_id_table);
  FOR v_last IN
    SELECT DISTINCT ON (n.i_id_table) n.i_id_table, n.jsn_plan, n.jsn_valid_from
    FROM sch_chameleon.t_table_version n WHERE n.i_id_table = ANY (v_tables)
    ORDER BY n.i_id_table, n.i_from_batch DESC
  LOOP
    PERFORM sch_chameleon.fn_show_version(
      p_i_id_source, v_last.i_id_table, v_last.jsn_plan, v_last.jsn_valid_from);
  END LOOP;
END $$;
