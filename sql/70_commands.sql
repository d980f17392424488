-- Commands that change a source as a whole.

-- Which running sources are due for maintenance is asked with this: never run, or longer ago.
CREATE FUNCTION sch_chameleon.fn_maintenance_due(p_i_id_source bigint, p_interval interval)
RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ts_last_maintenance IS NULL OR ts_last_maintenance + p_interval < clock_timestamp()
  FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source
$$;

-- update_schema_mappings: renames the target schemas and everything in the catalogue that names
-- them, to p_mappings ({"source database": "schema"}). CH015: not possible, one line per conflict.
-- Returns what was done, a line each.
CREATE FUNCTION sch_chameleon.fn_update_schema_mappings(p_i_id_source bigint, p_mappings jsonb)
RETURNS text[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_src sch_chameleon.t_sources;
  v_conflicts text[];
  v_done text[] := '{}';
  m record;
BEGIN
  SELECT * INTO v_src FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source FOR UPDATE;
  PERFORM FROM sch_chameleon.t_last_replayed WHERE i_id_source = p_i_id_source FOR UPDATE;
  IF v_src.b_batch_open OR EXISTS (
    SELECT FROM sch_chameleon.t_replica_batch b
    WHERE b.i_id_source = p_i_id_source AND NOT b.b_replayed) THEN
    RAISE EXCEPTION 'source % has rows to replay', v_src.t_source USING ERRCODE = 'CH014';
  END IF;
  CREATE TEMP TABLE pg_temp.chameleon_mappings ON COMMIT DROP AS
    SELECT coalesce(o.key, n.key) AS source, o.value AS before, n.value AS after
    FROM jsonb_each_text(v_src.jsb_schema_mappings) o
    FULL JOIN jsonb_each_text(p_mappings) n ON n.key = o.key;
  SELECT array_agg(text ORDER BY text) INTO v_conflicts FROM (
    -- A schema that several databases share cannot be renamed for one of them.
    SELECT format('schema %s belongs to source %s', c.after, s.t_source) AS text
    FROM pg_temp.chameleon_mappings c, sch_chameleon.t_sources s,
         jsonb_each_text(s.jsb_schema_mappings) t
    WHERE s.i_id_source <> p_i_id_source AND t.value = c.after
    UNION ALL
    SELECT format('schema %s exists already', c.after)
    FROM pg_temp.chameleon_mappings c JOIN pg_namespace n ON n.nspname = c.after
    WHERE c.before IS DISTINCT FROM c.after
      AND NOT EXISTS (SELECT FROM pg_temp.chameleon_mappings x WHERE x.before = c.after)
      AND EXISTS (SELECT FROM sch_chameleon.t_replica_tables r
                  WHERE r.i_id_source = p_i_id_source AND r.v_schema_name = c.before)
    UNION ALL
    SELECT format('schema %s has the tables of several databases: %s', c.before,
                  string_agg(c.source, ', ' ORDER BY c.source))
    FROM pg_temp.chameleon_mappings c WHERE c.before IS NOT NULL
    GROUP BY c.before
    HAVING count(*) > 1 AND bool_or(c.after IS DISTINCT FROM c.before)
    UNION ALL
    SELECT format('schema %s is wanted for several databases: %s', c.after,
                  string_agg(c.source, ', ' ORDER BY c.source))
    FROM pg_temp.chameleon_mappings c WHERE c.after IS NOT NULL
    GROUP BY c.after HAVING count(*) > 1 AND bool_or(c.after IS DISTINCT FROM c.before)) x;
  IF v_conflicts IS NOT NULL THEN
    RAISE EXCEPTION '%', array_to_string(v_conflicts, E'\n') USING ERRCODE = 'CH015';
  END IF;
  -- By way of names that nobody has, because two schemas may change places.
  FOR m IN SELECT * FROM pg_temp.chameleon_mappings c
           WHERE c.before <> c.after AND to_regnamespace(quote_ident(c.before)) IS NOT NULL LOOP
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', m.before, '_chameleon_' || md5(m.before));
  END LOOP;
  FOR m IN SELECT * FROM pg_temp.chameleon_mappings c WHERE c.before <> c.after ORDER BY c.source
  LOOP
    IF to_regnamespace('_chameleon_' || md5(m.before)) IS NOT NULL THEN
      EXECUTE format('ALTER SCHEMA %I RENAME TO %I', '_chameleon_' || md5(m.before), m.after);
    END IF;
    v_done := v_done || format('%s: %s is now %s', m.source, m.before, m.after);
  END LOOP;
  -- A database that is not mapped any more leaves the replica; its tables stay where they are.
  FOR m IN SELECT * FROM pg_temp.chameleon_mappings c WHERE c.after IS NULL LOOP
    DELETE FROM sch_chameleon.t_replica_tables
    WHERE i_id_source = p_i_id_source AND t_source_schema = m.source;
    v_done := v_done || format('%s: not followed any more, schema %s stays', m.source, m.before);
  END LOOP;
  FOR m IN SELECT * FROM pg_temp.chameleon_mappings c WHERE c.before IS NULL LOOP
    v_done := v_done || format('%s: copied to %s by the next refresh_schema', m.source, m.after);
  END LOOP;
  PERFORM sch_chameleon.fn_rename_in_catalogue(p_i_id_source);
  UPDATE sch_chameleon.t_sources SET jsb_schema_mappings = p_mappings
  WHERE i_id_source = p_i_id_source;
  DROP TABLE pg_temp.chameleon_mappings;
  RETURN v_done;
END $$;

-- A type's text as format_type printed it, "schema".name or schema.name, in its renamed schema.
CREATE FUNCTION sch_chameleon.fn_renamed_type(p_type text, p_before text, p_after text)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN starts_with(p_type, quote_ident(p_before) || '.')
      THEN quote_ident(p_after) || substr(p_type, length(quote_ident(p_before)) + 1)
    WHEN starts_with(p_type, '"' || replace(p_before, '"', '""') || '".')
      THEN '"' || replace(p_after, '"', '""') || '"'
           || substr(p_type, length('"' || replace(p_before, '"', '""') || '"') + 1)
    ELSE p_type END
$$;

-- Plans, tables, statements and notes under the schemas' new names (pg_temp.chameleon_mappings).
CREATE FUNCTION sch_chameleon.fn_rename_in_catalogue(p_i_id_source bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v record;
  v_plan json;
BEGIN
  FOR v IN
    SELECT t.i_id_table, t.i_from_batch, t.jsn_plan, c.before, c.after
    FROM sch_chameleon.t_table_version t JOIN sch_chameleon.t_replica_tables r USING (i_id_table)
    JOIN pg_temp.chameleon_mappings c ON c.source = r.t_source_schema
    WHERE r.i_id_source = p_i_id_source AND c.before <> c.after
  LOOP
    v_plan := jsonb_set(jsonb_set(v.jsn_plan::jsonb, '{target_schema}', to_jsonb(v.after)),
      '{columns}',
      coalesce((SELECT jsonb_agg(jsonb_set(e.col, '{target_type}', to_jsonb(
                  sch_chameleon.fn_renamed_type(coalesce(e.col->>'target_type', ''),
                                                v.before, v.after))) ORDER BY e.i)
                FROM jsonb_array_elements(v.jsn_plan::jsonb->'columns')
                  WITH ORDINALITY AS e(col, i)), '[]'))::json;
    UPDATE sch_chameleon.t_table_version t
    SET jsn_plan = v_plan, t_delete = s.t_delete, t_update = s.t_update,
        t_update_key = s.t_update_key, t_insert = s.t_insert,
        t_delete_updated = s.t_delete_updated, t_insert_updated = s.t_insert_updated
    FROM sch_chameleon.fn_replay_statements(v_plan) s
    WHERE t.i_id_table = v.i_id_table AND t.i_from_batch = v.i_from_batch;
  END LOOP;
  UPDATE sch_chameleon.t_replica_tables r SET v_schema_name = c.after
  FROM pg_temp.chameleon_mappings c
  WHERE r.i_id_source = p_i_id_source AND c.source = r.t_source_schema AND c.before <> c.after;
  -- Notes are statements that name schemas in double quotes; two steps, for schemas that change
  -- places.
  FOR v IN SELECT c.before, c.after FROM pg_temp.chameleon_mappings c WHERE c.before <> c.after LOOP
    UPDATE sch_chameleon.t_detach_notes
    SET t_statement = replace(t_statement, '"' || replace(v.before, '"', '""') || '".',
                              '"_chameleon_' || md5(v.before) || '".')
    WHERE i_id_source = p_i_id_source;
  END LOOP;
  FOR v IN SELECT c.before, c.after FROM pg_temp.chameleon_mappings c WHERE c.before <> c.after LOOP
    UPDATE sch_chameleon.t_detach_notes
    SET t_statement = replace(t_statement, '"_chameleon_' || md5(v.before) || '".',
                              '"' || replace(v.after, '"', '""') || '".')
    WHERE i_id_source = p_i_id_source;
  END LOOP;
END $$;

-- Empties both log tables if nothing is left to replay. For a paused source only.
CREATE FUNCTION sch_chameleon.fn_empty_log(p_i_id_source bigint)
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM sch_chameleon.t_sources WHERE i_id_source = p_i_id_source FOR UPDATE;
  IF EXISTS (SELECT FROM sch_chameleon.t_replica_batch b
             WHERE b.i_id_source = p_i_id_source AND NOT b.b_replayed) THEN
    RETURN false;
  END IF;
  FOR i IN 1..2 LOOP
    EXECUTE format('TRUNCATE ONLY sch_chameleon.%I',
                   format('t_log_replica_%s_%s', p_i_id_source, i));
  END LOOP;
  UPDATE sch_chameleon.t_sources SET i_log_rows = 0
  WHERE i_id_source = p_i_id_source;
  RETURN true;
END $$;

CREATE FUNCTION sch_chameleon.fn_maintained(p_i_id_source bigint)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE sch_chameleon.t_sources
  SET ts_last_maintenance = clock_timestamp(), b_maintenance = false
  WHERE i_id_source = p_i_id_source
$$;
