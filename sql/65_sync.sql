-- Tables that are copied again while their source stays: sync_tables, refresh_schema, and the
-- reload of tables that must not be made anew (keep_existing_schema).

-- The enum types of a schema that a table's columns use.
CREATE FUNCTION sch_chameleon.fn_enums_of(p_schema text, p_table text)
RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(DISTINCT t.typname::text), '{}')
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE a.attrelid = to_regclass(format('%I.%I', p_schema, p_table)) AND a.attnum > 0
    AND NOT a.attisdropped AND t.typtype = 'e' AND n.nspname = p_schema
$$;

-- Drops an enum type that no column uses.
CREATE FUNCTION sch_chameleon.fn_drop_unused_enum(p_schema text, p_type text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute a WHERE NOT a.attisdropped
                   AND a.atttypid = to_regtype(format('%I.%I', p_schema, p_type))) THEN
    EXECUTE format('DROP TYPE IF EXISTS %I.%I', p_schema, p_type);
  END IF;
END $$;

-- Drops a target table with its own enum types and whatever views show it.
CREATE FUNCTION sch_chameleon.fn_drop_target_table(p_schema text, p_table text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_enums text[] := sch_chameleon.fn_enums_of(p_schema, p_table);
  v_enum text;
BEGIN
  EXECUTE format('DROP TABLE IF EXISTS %I.%I CASCADE', p_schema, p_table);
  FOREACH v_enum IN ARRAY v_enums LOOP
    PERFORM sch_chameleon.fn_drop_unused_enum(p_schema, v_enum);
  END LOOP;
END $$;

-- Puts a loaded table in the place of the old one.
CREATE FUNCTION sch_chameleon.fn_swap_table(p_loading text, p_schema text, p_table text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_enums text[] := sch_chameleon.fn_enums_of(p_loading, p_table);
  v_enum text;
BEGIN
  PERFORM sch_chameleon.fn_drop_target_table(p_schema, p_table);
  EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', p_loading, p_table, p_schema);
  FOREACH v_enum IN ARRAY v_enums LOOP
    PERFORM sch_chameleon.fn_drop_unused_enum(p_schema, v_enum);
    EXECUTE format('ALTER TYPE %I.%I SET SCHEMA %I', p_loading, v_enum, p_schema);
  END LOOP;
END $$;

-- Fills the old table from the loaded one: keys and indexes are dropped, the table is emptied and
-- filled, indexes and keys are built again. Foreign keys come back if the rows satisfy them, else
-- NOT VALID; those that do not are returned, one text each.
CREATE FUNCTION sch_chameleon.fn_reload_table(p_loading text, p_schema text, p_table text)
RETURNS text[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_table regclass := to_regclass(format('%I.%I', p_schema, p_table));
  v_loaded regclass := to_regclass(format('%I.%I', p_loading, p_table));
  v_names text;
  v_values text;
  v_keys record;
  v_again text[] := '{}';
  v_foreign text[] := '{}';
  v_broken text[] := '{}';
  v_statement text;
BEGIN
  IF v_table IS NULL THEN
    PERFORM sch_chameleon.fn_swap_table(p_loading, p_schema, p_table);
    RETURN '{}';
  END IF;
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', v_table);
  SELECT string_agg(quote_ident(l.attname), ', ' ORDER BY l.attnum),
         string_agg(CASE WHEN l.atttypid = t.atttypid THEN quote_ident(l.attname)
                         ELSE format('%I::text::%s', l.attname,
                                     format_type(t.atttypid, t.atttypmod)) END,
                    ', ' ORDER BY l.attnum)
  INTO v_names, v_values
  FROM pg_attribute l JOIN pg_attribute t ON t.attrelid = v_table AND t.attname = l.attname
  WHERE l.attrelid = v_loaded AND l.attnum > 0 AND NOT l.attisdropped AND NOT t.attisdropped;
  -- Foreign keys from and to the table first, then its keys, then its other indexes.
  FOR v_keys IN
    SELECT c.oid, c.conrelid::regclass AS owner, c.conname, c.contype, c.convalidated,
           pg_get_constraintdef(c.oid) AS def
    FROM pg_constraint c
    WHERE (c.conrelid = v_table AND c.contype IN ('p', 'u', 'x', 'f'))
       OR (c.confrelid = v_table AND c.contype = 'f')
    ORDER BY c.contype <> 'f', c.contype <> 'p', c.conname
  LOOP
    v_statement := format('ALTER TABLE %s ADD CONSTRAINT %I %s', v_keys.owner, v_keys.conname,
                          regexp_replace(v_keys.def, ' NOT VALID$', ''));
    IF v_keys.contype = 'f' THEN
      v_foreign := v_foreign || v_statement;
    ELSE
      v_again := v_again || v_statement;
    END IF;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_keys.owner, v_keys.conname);
  END LOOP;
  FOR v_keys IN
    SELECT i.indexrelid::regclass AS name, pg_get_indexdef(i.indexrelid) AS def
    FROM pg_index i WHERE i.indrelid = v_table ORDER BY i.indexrelid
  LOOP
    v_again := v_again || v_keys.def;
    EXECUTE format('DROP INDEX %s', v_keys.name);
  END LOOP;
  EXECUTE format('TRUNCATE %s', v_table);
  EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s', v_table, v_names,
                 v_values, v_loaded);
  FOREACH v_statement IN ARRAY v_again LOOP
    EXECUTE v_statement;
  END LOOP;
  FOREACH v_statement IN ARRAY v_foreign LOOP
    BEGIN
      EXECUTE v_statement;
    EXCEPTION WHEN foreign_key_violation THEN
      v_broken := v_broken || SQLERRM;
      EXECUTE v_statement || ' NOT VALID';
    END;
  END LOOP;
  RETURN v_broken;
END $$;

-- Foreign keys of and to the tables ([[schema, table]]) that their rows do not satisfy, a line each.
CREATE FUNCTION sch_chameleon.fn_broken_keys(p_tables text[])
RETURNS SETOF text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('foreign key %I of %s is NOT VALID: rows do not satisfy it', k.conname,
                k.conrelid::regclass)
  FROM pg_constraint k
  WHERE k.contype = 'f' AND NOT k.convalidated
    AND EXISTS (SELECT FROM generate_subscripts(p_tables, 1) i
                WHERE to_regclass(format('%I.%I', p_tables[i][1], p_tables[i][2]))
                      IN (k.conrelid, k.confrelid))
  ORDER BY 1
$$;

-- The end of sync_tables and refresh_schema, in the transaction that swaps the tables: each version
-- holds from its own position and from the next batch on; older lines of its table do not exist any
-- more (CH014: they do). The source becomes synced; its position stays.
CREATE FUNCTION sch_chameleon.fn_finish_sync(
  p_i_id_source bigint, p_epoch bigint, p_position json, p_versions json, p_defs text[],
  p_notes json)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_src sch_chameleon.t_sources;
  v_tables bigint[];
BEGIN
  SELECT * INTO v_src FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM FROM sch_chameleon.t_last_replayed WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM sch_chameleon.fn_check_epoch(p_i_id_source, p_epoch);
  IF EXISTS (SELECT FROM sch_chameleon.t_replica_batch b
             WHERE b.i_id_source = p_i_id_source AND NOT b.b_replayed) THEN
    RAISE EXCEPTION 'source % has batches to replay', v_src.t_source USING ERRCODE = 'CH014';
  END IF;
  SELECT coalesce(array_agg((v->'plan'->>'table_id')::bigint), '{}') INTO v_tables
  FROM json_array_elements(p_versions) v;
  DELETE FROM sch_chameleon.t_table_version WHERE i_id_table = ANY (v_tables);
  -- Whether such rows are in the copy is not known: the transaction may have ended before it or not.
  IF EXISTS (SELECT FROM sch_chameleon.t_xa_lines l
             WHERE l.i_id_source = p_i_id_source AND l.i_id_table = ANY (v_tables)) THEN
    RAISE EXCEPTION 'rows of the tables are prepared in an XA transaction of source %',
      v_src.t_source USING ERRCODE = 'CH016';
  END IF;
  DELETE FROM sch_chameleon.t_detach_notes
  WHERE i_id_source = p_i_id_source AND i_id_table = ANY (v_tables);
  PERFORM sch_chameleon.fn_store_version(
    p_i_id_source, v_src.i_last_batch + 1, v.value, p_defs[v.i])
  FROM json_array_elements(p_versions) WITH ORDINALITY AS v(value, i);
  UPDATE sch_chameleon.t_replica_tables t
  SET b_replicated = coalesce((v->'plan'->>'replicated')::boolean, false),
      b_replica_enabled = coalesce((v->'plan'->>'replicated')::boolean, false),
      t_reason = coalesce(v->'plan'->>'reason', ''), ts_disabled = NULL,
      t_binlog_name = v->'valid_from'->>'file',
      i_binlog_position = (v->'valid_from'->>'offset')::bigint
  FROM json_array_elements(p_versions) v
  WHERE t.i_id_table = (v->'plan'->>'table_id')::bigint;
  INSERT INTO sch_chameleon.t_detach_notes (i_id_source, i_id_table, t_kind, t_statement)
  SELECT p_i_id_source, (n->>'table_id')::bigint, n->>'kind', n->>'statement'
  FROM json_array_elements(p_notes) n ON CONFLICT DO NOTHING;
  -- These tables are ahead of the others until the stream has come to their place.
  UPDATE sch_chameleon.t_sources
  SET enm_status = 'synced', t_worker = '', t_last_error = '', ts_last_error = NULL
  WHERE i_id_source = p_i_id_source;
END $$;

-- A disabled table that the source does not have any more: it goes from the target, as its DROP
-- would have done.
CREATE FUNCTION sch_chameleon.fn_forget_table(
  p_i_id_source bigint, p_source_schema text, p_source_table text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t sch_chameleon.t_replica_tables;
BEGIN
  FOR t IN DELETE FROM sch_chameleon.t_replica_tables
           WHERE i_id_source = p_i_id_source AND t_source_schema = p_source_schema
             AND t_source_table = p_source_table RETURNING *
  LOOP
    PERFORM sch_chameleon.fn_drop_target_table(t.v_schema_name, t.v_table_name);
    DELETE FROM sch_chameleon.t_detach_notes
    WHERE i_id_source = p_i_id_source AND i_id_table = t.i_id_table;
  END LOOP;
END $$;

-- The source is as it was before its first copy: no position, no tables, no log. copy_schema, and
-- the end of detach_replica, which keeps tables and notes (p_keep_tables) to be run again.
CREATE FUNCTION sch_chameleon.fn_end_life(p_i_id_source bigint, p_keep_tables boolean)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM FROM sch_chameleon.t_last_replayed WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM sch_chameleon.fn_reset_log(p_i_id_source);
  IF NOT p_keep_tables THEN
    DELETE FROM sch_chameleon.t_replica_tables WHERE i_id_source = p_i_id_source;
    DELETE FROM sch_chameleon.t_detach_notes WHERE i_id_source = p_i_id_source;
  END IF;
  UPDATE sch_chameleon.t_sources
  SET t_binlog_name = NULL, i_binlog_position = NULL, t_gtid_set = '', t_server_id = '',
      i_file_created = 0, enm_status = 'ready', b_take_over = false,
      b_consistent = true, b_idle = false,
      ts_source_commit = NULL, ts_last_received = NULL, t_last_error = '', ts_last_error = NULL,
      t_worker = ''
  WHERE i_id_source = p_i_id_source;
  UPDATE sch_chameleon.t_last_replayed r
  SET t_binlog_name = NULL, i_binlog_position = NULL, t_gtid_set = '', t_server_id = '',
      i_file_created = 0, i_last_batch = s.i_last_batch, ts_last_replayed = NULL,
      ts_source_commit = NULL
  FROM sch_chameleon.t_sources s
  WHERE r.i_id_source = p_i_id_source AND s.i_id_source = p_i_id_source;
END $$;

-- Which tables have skipped events, by the configuration: p_names is [{schema, table}], an empty
-- table means the whole schema. Replay does not hold missing rows against them.
CREATE FUNCTION sch_chameleon.fn_set_skip_events(p_i_id_source bigint, p_names json)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE sch_chameleon.t_replica_tables t SET b_skip_events = NOT t.b_skip_events
  WHERE t.i_id_source = p_i_id_source
    AND t.b_skip_events <> EXISTS (
      SELECT FROM json_array_elements(p_names) n
      WHERE n->>'schema' = t.t_source_schema AND n->>'table' IN ('', t.t_source_table))
$$;
