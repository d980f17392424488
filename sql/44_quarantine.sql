-- Tables that cannot be replayed: which rows are in the way, and what becomes of the table.

-- Which log rows of p_table in batch p_batch cannot be applied, found row by row after the table's
-- share of the batches p_first … before it; at most 100. All of it is undone.
CREATE FUNCTION sch_chameleon.fn_find_bad_rows(
  p_i_id_source bigint, p_first bigint, p_batch bigint, p_table bigint)
RETURNS TABLE (enm_binlog_event sch_chameleon.en_binlog_event, t_row text, t_error text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_log varchar;
  v_version sch_chameleon.t_table_version;
  v_events sch_chameleon.en_binlog_event[] := '{}';
  v_rows text[] := '{}';
  v_errors text[] := '{}';
  r record;
BEGIN
  SELECT b.v_log_table INTO v_log FROM sch_chameleon.t_replica_batch b
  WHERE b.i_id_source = p_i_id_source AND b.i_id_batch = p_batch;
  SELECT v.* INTO v_version FROM sch_chameleon.t_table_version v
  WHERE v.i_id_table = p_table AND v.i_from_batch <= p_batch
  ORDER BY v.i_from_batch DESC LIMIT 1;
  IF v_log IS NULL OR v_version.t_insert IS NULL THEN
    RETURN;
  END IF;
  BEGIN
    PERFORM sch_chameleon.fn_replay_batches(p_i_id_source, p_first, p_batch - 1, p_table);
    -- As the fallback does: first everything old goes, then everything new comes.
    FOR r IN EXECUTE format(
      'SELECT l.ctid AS id, l.enm_binlog_event AS event, s.step,
              l.jsb_event_before IS NOT NULL AS before,
              coalesce(l.jsb_event_after, l.jsb_event_before)::text AS image
       FROM sch_chameleon.%I l,
            LATERAL (VALUES (1, l.enm_binlog_event = ''delete'' OR
                                (l.enm_binlog_event = ''update'' AND l.jsb_event_before IS NULL)),
                            (2, l.enm_binlog_event IN (''update'', ''insert''))) AS s(step, wanted)
       WHERE l.i_id_batch = $1 AND l.i_id_table = $2 AND s.wanted
       ORDER BY s.step, l.enm_binlog_event, l.ctid', v_log) USING p_batch, p_table
    LOOP
      BEGIN
        PERFORM sch_chameleon.fn_replay_statement(
          CASE WHEN r.event = 'delete' THEN v_version.t_delete
               WHEN r.event = 'insert' THEN v_version.t_insert
               WHEN r.before THEN v_version.t_update_key
               WHEN r.step = 1 THEN v_version.t_delete_updated
               ELSE v_version.t_insert_updated END,
          v_log, p_batch, ROW(r.event, r.before, 1)::sch_chameleon.ty_log_range,
          NULL, r.id);
      EXCEPTION WHEN OTHERS THEN
        v_events := v_events || r.event;
        v_rows := v_rows || r.image;
        v_errors := v_errors || SQLERRM;
        EXIT WHEN cardinality(v_rows) >= 100;
      END;
    END LOOP;
    RAISE EXCEPTION 'undo' USING ERRCODE = 'CH099';
  EXCEPTION WHEN SQLSTATE 'CH099' THEN
    NULL;
  END;
  RETURN QUERY SELECT * FROM unnest(v_events, v_rows, v_errors);
END $$;

-- Writes down why p_table could not follow, with the rows. Returns the log entry's id.
CREATE FUNCTION sch_chameleon.fn_log_replay_error(
  p_i_id_source bigint, p_first bigint, p_batch bigint, p_table bigint, p_message text,
  p_detail text)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_table sch_chameleon.t_replica_tables;
  v_batch sch_chameleon.t_replica_batch;
  v_id bigint;
  v_bad bigint;
BEGIN
  SELECT * INTO v_table FROM sch_chameleon.t_replica_tables WHERE i_id_table = p_table;
  SELECT * INTO v_batch FROM sch_chameleon.t_replica_batch
  WHERE i_id_source = p_i_id_source AND i_id_batch = p_batch;
  INSERT INTO sch_chameleon.t_discarded_rows (
    i_id_batch, i_id_source, i_id_table, v_table_name, v_schema_name, enm_binlog_event, t_row_data,
    t_error)
  SELECT p_batch, p_i_id_source, p_table, v_table.v_table_name, v_table.v_schema_name,
         r.enm_binlog_event, r.t_row, r.t_error
  FROM sch_chameleon.fn_find_bad_rows(p_i_id_source, p_first, p_batch, p_table) r;
  GET DIAGNOSTICS v_bad = ROW_COUNT;
  INSERT INTO sch_chameleon.t_error_log (
    i_id_batch, i_id_source, v_table_name, v_schema_name, t_table_pkey, t_binlog_name,
    i_binlog_position, t_sql, t_error_message, t_detail)
  VALUES (
    p_batch, p_i_id_source, v_table.v_table_name, v_table.v_schema_name,
    array_to_string(v_table.v_table_pkey, ','), coalesce(v_batch.t_binlog_name, ''),
    coalesce(v_batch.i_binlog_position, 0),
    format('SELECT * FROM sch_chameleon.t_discarded_rows WHERE i_id_batch = %s AND i_id_table = %s;',
           p_batch, p_table),
    p_message, format(E'%s offending row(s) in t_discarded_rows\n%s', v_bad, p_detail))
  RETURNING i_id_log INTO v_id;
  RETURN v_id;
END $$;

-- What becomes of a table that failed (p_where: CH020's detail), by p_on_error.
CREATE FUNCTION sch_chameleon.fn_quarantine(
  p_i_id_source bigint, p_first bigint, p_where json, p_message text, p_on_error text,
  p_status sch_chameleon.ty_replay_status)
RETURNS sch_chameleon.ty_replay_status
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_table bigint := (p_where->>'table')::bigint;
  v_batch bigint := (p_where->>'batch')::bigint;
  v_name text;
  v_log bigint;
  -- A schema change that the rows do not fit: the source has bent them, without a word in its log.
  v_bent boolean := p_where->>'context' LIKE '%fn_replay_ddl%'
    AND (p_where->>'sqlstate' IN ('CH014', '23502') OR left(p_where->>'sqlstate', 2) = '22');
BEGIN
  v_log := sch_chameleon.fn_log_replay_error(
    p_i_id_source, p_first, v_batch, v_table, p_message,
    format(E'SQLSTATE %s\n%s\n%s', p_where->>'sqlstate', p_where->>'detail',
           p_where->>'context'));
  SELECT format('%s.%s', v_schema_name, v_table_name) INTO v_name
  FROM sch_chameleon.t_replica_tables WHERE i_id_table = v_table;
  IF p_on_error = 'exit' OR v_name IS NULL THEN
    p_status.b_error := true;
    p_status.t_error := format('table %s: %s (error log %s, batch %s)',
                               coalesce(v_name, v_table::text), p_message, v_log, v_batch);
    RETURN p_status;
  END IF;
  UPDATE sch_chameleon.t_replica_tables
  SET b_replica_enabled = false, ts_disabled = clock_timestamp(),
      t_reason = CASE WHEN v_bent THEN 'it must be copied again: ' ELSE '' END
        || format('replay of batch %s failed: %s (error log %s)', v_batch, p_message, v_log)
  WHERE i_id_table = v_table;
  p_status.v_table_error := p_status.v_table_error || v_name::varchar;
  RETURN p_status;
END $$;
