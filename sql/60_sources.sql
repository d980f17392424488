-- Registering sources, leases.

CREATE FUNCTION sch_chameleon.fn_add_source(
  p_source text, p_type sch_chameleon.en_src_type, p_mappings jsonb)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_id bigint;
BEGIN
  INSERT INTO sch_chameleon.t_sources (
    t_source, enm_source_type, jsb_schema_mappings, t_replica_uuid, v_log_table)
  VALUES (p_source, p_type, p_mappings, gen_random_uuid()::text, '{}')
  RETURNING i_id_source INTO v_id;
  UPDATE sch_chameleon.t_sources SET v_log_table = sch_chameleon.fn_create_log_tables(v_id)
  WHERE i_id_source = v_id;
  INSERT INTO sch_chameleon.t_last_replayed (i_id_source) VALUES (v_id);
  RETURN v_id;
END $$;

CREATE FUNCTION sch_chameleon.fn_drop_source(p_i_id_source bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM sch_chameleon.fn_drop_log_tables(p_i_id_source);
  DELETE FROM sch_chameleon.t_error_log WHERE i_id_source = p_i_id_source;
  DELETE FROM sch_chameleon.t_discarded_rows WHERE i_id_source = p_i_id_source;
  DELETE FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source;
END $$;

-- The next lease: everything of an older epoch is refused from here on, and what its holder left
-- unfinished is thrown away.
CREATE FUNCTION sch_chameleon.fn_new_epoch(p_i_id_source bigint, p_worker text)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_epoch bigint;
BEGIN
  UPDATE sch_chameleon.t_sources SET i_epoch = i_epoch + 1, t_worker = p_worker
  WHERE i_id_source = p_i_id_source RETURNING i_epoch INTO v_epoch;
  PERFORM sch_chameleon.fn_drop_open_parts(p_i_id_source);
  RETURN v_epoch;
END $$;

-- CH001 unless the lease is current.
CREATE FUNCTION sch_chameleon.fn_check_epoch(p_i_id_source bigint, p_epoch bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_epoch bigint;
BEGIN
  SELECT i_epoch INTO v_epoch FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source;
  IF v_epoch IS DISTINCT FROM p_epoch THEN
    RAISE EXCEPTION 'epoch % of source % is over, the current one is %', p_epoch, p_i_id_source,
      coalesce(v_epoch::text, 'none') USING ERRCODE = 'CH001';
  END IF;
END $$;

-- The end of init_replica, in the transaction that swaps the schemas: the source begins a new life
-- at p_position with these tables. p_versions: [TableVersion]; p_notes: [{table_id, kind,
-- statement}].
CREATE FUNCTION sch_chameleon.fn_start_life(
  p_i_id_source bigint, p_epoch bigint, p_position json, p_versions json, p_defs text[],
  p_notes json)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_last bigint;
BEGIN
  SELECT i_last_batch INTO v_last FROM sch_chameleon.t_sources
  WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM FROM sch_chameleon.t_last_replayed WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM sch_chameleon.fn_check_epoch(p_i_id_source, p_epoch);
  PERFORM sch_chameleon.fn_reset_log(p_i_id_source);
  DELETE FROM sch_chameleon.t_replica_tables WHERE i_id_source = p_i_id_source;
  DELETE FROM sch_chameleon.t_detach_notes WHERE i_id_source = p_i_id_source;
  PERFORM sch_chameleon.fn_store_version(p_i_id_source, v_last + 1, v.value, p_defs[v.i])
  FROM json_array_elements(p_versions) WITH ORDINALITY AS v(value, i);
  INSERT INTO sch_chameleon.t_detach_notes (i_id_source, i_id_table, t_kind, t_statement)
  SELECT p_i_id_source, (n->>'table_id')::bigint, n->>'kind', n->>'statement'
  FROM json_array_elements(p_notes) n ON CONFLICT DO NOTHING;
  UPDATE sch_chameleon.t_sources
  SET t_binlog_name = p_position->>'file', i_binlog_position = (p_position->>'offset')::bigint,
      t_gtid_set = p_position->>'gtid', t_server_id = p_position->>'server_id',
      i_file_created = (p_position->>'file_created')::bigint, enm_status = 'initialised',
      b_take_over = false, b_consistent = true, b_idle = false, ts_source_commit = NULL, ts_last_received = NULL,
      t_last_error = '', ts_last_error = NULL, t_worker = ''
  WHERE i_id_source = p_i_id_source;
  UPDATE sch_chameleon.t_last_replayed
  SET t_binlog_name = p_position->>'file', i_binlog_position = (p_position->>'offset')::bigint,
      t_gtid_set = p_position->>'gtid', t_server_id = p_position->>'server_id',
      i_file_created = (p_position->>'file_created')::bigint, i_last_batch = v_last,
      ts_last_replayed = NULL, ts_source_commit = NULL
  WHERE i_id_source = p_i_id_source;
END $$;
