-- What pg_chameleon has left behind, brought over by upgrade_replica_schema. Its catalogue has been
-- renamed to p_old by then and is only read.

-- Whether "log.000009" and an offset stand before another such place.
CREATE FUNCTION sch_chameleon.fn_stands_before(
  p_file text, p_offset bigint, p_other_file text, p_other_offset bigint)
RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT (substring(p_file FROM '[0-9]+$')::numeric, p_offset)
       < (substring(p_other_file FROM '[0-9]+$')::numeric, p_other_offset)
$$;

-- Where an old source goes on reading: its newest batch that has not been read. gtid: as stored;
-- catalogues before 2.0.8 have none.
CREATE FUNCTION sch_chameleon.fn_old_position(
  p_old text, p_i_id_source bigint, OUT t_file text, OUT i_offset bigint, OUT t_gtid text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format(
    'SELECT b.t_binlog_name, b.i_binlog_position, coalesce(to_jsonb(b)->>''t_gtid_set'', '''')
     FROM %I.t_replica_batch b
     WHERE b.i_id_source = $1 AND NOT b.b_processed AND NOT b.b_replayed
     ORDER BY b.ts_created DESC LIMIT 1', p_old)
  INTO t_file, i_offset, t_gtid USING p_i_id_source;
END $$;

-- Registers a source that is taken over: it has a position, and no schema history yet.
CREATE FUNCTION sch_chameleon.fn_take_over_source(
  p_i_id_source bigint, p_source text, p_type sch_chameleon.en_src_type, p_mappings jsonb,
  p_status sch_chameleon.en_src_status, p_file text, p_offset bigint, p_gtid text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO sch_chameleon.t_sources (
    i_id_source, t_source, enm_source_type, jsb_schema_mappings, enm_status, t_binlog_name,
    i_binlog_position, t_gtid_set, b_take_over, t_replica_uuid, v_log_table)
  VALUES (p_i_id_source, p_source, p_type, p_mappings, p_status, p_file, p_offset,
          coalesce(p_gtid, ''), p_file IS NOT NULL, gen_random_uuid()::text, '{}');
  UPDATE sch_chameleon.t_sources
  SET v_log_table = sch_chameleon.fn_create_log_tables(p_i_id_source)
  WHERE i_id_source = p_i_id_source;
  INSERT INTO sch_chameleon.t_last_replayed (i_id_source, t_binlog_name, i_binlog_position)
  VALUES (p_i_id_source, p_file, p_offset);
END $$;

CREATE FUNCTION sch_chameleon.fn_set_identities()
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v record;
  v_max bigint;
BEGIN
  FOR v IN VALUES ('t_sources', 'i_id_source'), ('t_replica_tables', 'i_id_table'),
                  ('t_error_log', 'i_id_log') LOOP
    EXECUTE format('SELECT coalesce(max(%I), 0) FROM sch_chameleon.%I', v.column2, v.column1)
    INTO v_max;
    PERFORM setval(pg_get_serial_sequence('sch_chameleon.' || v.column1, v.column2), v_max + 1,
                   false);
  END LOOP;
END $$;

-- A pg_chameleon 2.0.x catalogue. Sources and tables keep their numbers; a table that was copied
-- later than its source keeps its own position; the error log comes along.
CREATE FUNCTION sch_chameleon.fn_take_over_v2(p_old text)
RETURNS text[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_done text[] := '{}';
  s record;
  p record;
BEGIN
  FOR s IN EXECUTE format(
    'SELECT i_id_source, t_source, enm_source_type::text AS type, jsb_schema_mappings,
            enm_status::text AS status FROM %I.t_sources ORDER BY i_id_source', p_old)
  LOOP
    SELECT * INTO p FROM sch_chameleon.fn_old_position(p_old, s.i_id_source);
    PERFORM sch_chameleon.fn_take_over_source(
      s.i_id_source, s.t_source, s.type::sch_chameleon.en_src_type, s.jsb_schema_mappings,
      CASE WHEN p.t_file IS NULL THEN 'ready' ELSE s.status END::sch_chameleon.en_src_status,
      p.t_file, p.i_offset, p.t_gtid);
    EXECUTE format(
      'INSERT INTO sch_chameleon.t_replica_tables (
         i_id_table, i_id_source, v_table_name, v_schema_name, t_source_schema, t_source_table,
         v_table_pkey, t_binlog_name, i_binlog_position, b_replica_enabled, t_reason, ts_disabled)
       SELECT t.i_id_table, t.i_id_source, t.v_table_name, t.v_schema_name, m.key, t.v_table_name,
              t.v_table_pkey, t.t_binlog_name, t.i_binlog_position, t.b_replica_enabled,
              CASE WHEN t.b_replica_enabled THEN '''' ELSE ''disabled by pg_chameleon'' END,
              CASE WHEN NOT t.b_replica_enabled THEN clock_timestamp() END
       FROM %I.t_replica_tables t JOIN jsonb_each_text($2) m ON m.value = t.v_schema_name
       WHERE t.i_id_source = $1', p_old)
    USING s.i_id_source, s.jsb_schema_mappings;
    v_done := v_done || CASE WHEN p.t_file IS NULL THEN format('%s: without a position', s.t_source)
                             ELSE format('%s: goes on from %s:%s', s.t_source, p.t_file, p.i_offset)
                        END;
  END LOOP;
  EXECUTE format(
    'INSERT INTO sch_chameleon.t_error_log (
       i_id_log, i_id_batch, i_id_source, v_table_name, v_schema_name, t_table_pkey, t_binlog_name,
       i_binlog_position, ts_error, t_sql, t_error_message)
     SELECT i_id_log, i_id_batch, i_id_source, v_table_name, v_schema_name, t_table_pkey,
            t_binlog_name, i_binlog_position, coalesce(ts_error, clock_timestamp()), t_sql,
            t_error_message FROM %I.t_error_log', p_old);
  PERFORM sch_chameleon.fn_set_identities();
  RETURN v_done;
END $$;

-- A pg_chameleon 1.8 catalogue (version 1.7): one source per schema becomes one source per server,
-- [{source, mappings}]. It goes on from the first of the old positions; each table ignores what
-- comes before its own.
CREATE FUNCTION sch_chameleon.fn_take_over_v1(p_old text, p_sources jsonb)
RETURNS text[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_done text[] := '{}';
  v_new record;
  v_id bigint := 0;
  s record;
  p record;
  v_file text;    -- the first of their positions
  v_offset bigint;
BEGIN
  FOR v_new IN SELECT e.value->>'source' AS source, e.value->'mappings' AS mappings
               FROM jsonb_array_elements(p_sources) e LOOP
    v_id := v_id + 1;
    v_file := NULL;
    CREATE TEMP TABLE pg_temp.chameleon_tables (LIKE sch_chameleon.t_replica_tables) ON COMMIT DROP;
    ALTER TABLE pg_temp.chameleon_tables ALTER i_id_table DROP NOT NULL;
    FOR s IN EXECUTE format(
      'SELECT i_id_source, t_source, t_source_schema, t_dest_schema FROM %I.t_sources
       WHERE $1->>t_source_schema = t_dest_schema ORDER BY i_id_source', p_old)
      USING v_new.mappings
    LOOP
      SELECT * INTO p FROM sch_chameleon.fn_old_position(p_old, s.i_id_source);
      IF v_file IS NULL OR sch_chameleon.fn_stands_before(
           p.t_file, p.i_offset, v_file, v_offset) THEN
        v_file := p.t_file;
        v_offset := p.i_offset;
      END IF;
      EXECUTE format(
        'INSERT INTO pg_temp.chameleon_tables (
           i_id_source, v_table_name, v_schema_name, t_source_schema, t_source_table, v_table_pkey,
           t_binlog_name, i_binlog_position, b_skip_events, b_replicated, b_replica_enabled,
           t_reason, b_dropped)
         SELECT $1, t.v_table_name, t.v_schema_name, $2, t.v_table_name, t.v_table_pkey, $3, $4,
                false, true, true, '''', false
         FROM %I.t_replica_tables t WHERE t.i_id_source = $5 AND t.v_schema_name = $6', p_old)
      USING v_id, s.t_source_schema, p.t_file, p.i_offset, s.i_id_source, s.t_dest_schema;
    END LOOP;
    PERFORM sch_chameleon.fn_take_over_source(
      v_id, v_new.source, 'mysql', v_new.mappings, 'stopped', v_file, v_offset, '');
    INSERT INTO sch_chameleon.t_replica_tables (
      i_id_source, v_table_name, v_schema_name, t_source_schema, t_source_table, v_table_pkey,
      t_binlog_name, i_binlog_position)
    SELECT i_id_source, v_table_name, v_schema_name, t_source_schema, t_source_table, v_table_pkey,
           t_binlog_name, i_binlog_position
    FROM pg_temp.chameleon_tables;
    DROP TABLE pg_temp.chameleon_tables;
    v_done := v_done || format('%s: goes on from %s:%s', v_new.source, v_file, v_offset);
  END LOOP;
  PERFORM sch_chameleon.fn_set_identities();
  RETURN v_done;
END $$;

-- The schema history of a source that is taken over, in one transaction with its exact position.
-- p_versions, p_defs and p_notes: as fn_start_life; p_left: [{table_id, reason}] tables that cannot
-- be followed; p_new: [{source_schema, source_table, target_schema, target_table, reason}] tables
-- that the old catalogue did not know.
CREATE FUNCTION sch_chameleon.fn_finish_take_over(
  p_i_id_source bigint, p_epoch bigint, p_position json, p_versions json, p_defs text[],
  p_notes json, p_left json, p_new json)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_last bigint;
BEGIN
  SELECT i_last_batch INTO v_last FROM sch_chameleon.t_sources
  WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM FROM sch_chameleon.t_last_replayed WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM sch_chameleon.fn_check_epoch(p_i_id_source, p_epoch);
  PERFORM sch_chameleon.fn_store_version(p_i_id_source, v_last + 1, v.value, p_defs[v.i])
  FROM json_array_elements(p_versions) WITH ORDINALITY AS v(value, i);
  INSERT INTO sch_chameleon.t_detach_notes (i_id_source, i_id_table, t_kind, t_statement)
  SELECT p_i_id_source, (n->>'table_id')::bigint, n->>'kind', n->>'statement'
  FROM json_array_elements(p_notes) n ON CONFLICT DO NOTHING;
  UPDATE sch_chameleon.t_replica_tables t
  SET b_replica_enabled = false, t_reason = l->>'reason', ts_disabled = clock_timestamp()
  FROM json_array_elements(p_left) l
  WHERE t.i_id_source = p_i_id_source AND t.i_id_table = (l->>'table_id')::bigint;
  INSERT INTO sch_chameleon.t_replica_tables (
    i_id_source, v_table_name, v_schema_name, t_source_schema, t_source_table, v_table_pkey,
    b_replicated, b_replica_enabled, t_reason, ts_disabled)
  SELECT p_i_id_source, n->>'target_table', n->>'target_schema', n->>'source_schema',
         n->>'source_table', '{}', (n->>'replicated')::boolean, false, n->>'reason',
         CASE WHEN (n->>'replicated')::boolean THEN clock_timestamp() END
  FROM json_array_elements(p_new) n;
  UPDATE sch_chameleon.t_sources
  SET t_binlog_name = p_position->>'file', i_binlog_position = (p_position->>'offset')::bigint,
      t_gtid_set = p_position->>'gtid', t_server_id = p_position->>'server_id',
      i_file_created = (p_position->>'file_created')::bigint, b_take_over = false
  WHERE i_id_source = p_i_id_source;
  UPDATE sch_chameleon.t_last_replayed
  SET t_binlog_name = p_position->>'file', i_binlog_position = (p_position->>'offset')::bigint,
      t_gtid_set = p_position->>'gtid', t_server_id = p_position->>'server_id',
      i_file_created = (p_position->>'file_created')::bigint, i_last_batch = v_last
  WHERE i_id_source = p_i_id_source;
END $$;
