-- Replay of one table: the statements of a schema version, and a batch's lines as sets.

-- Whether a column's values must be unwrapped from their JSON string: all documents, unless they are
-- kept as text. Not by the type's name alone: it may be a domain.
CREATE FUNCTION sch_chameleon.fn_is_document(p_column json)
RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p_column->>'target_type' IN ('json', 'jsonb')
      OR (coalesce(p_column->>'encoding', '') = 'ENCODING_JSON'
          AND p_column->>'target_type' !~ '^(text|character|varchar|bytea)')
$$;

-- The statements that apply one batch of one table, from its plan (protobuf JSON, original names).
-- In each: %1$I the log table, $1 the batch, $2 whether the lines have a before image, $3 the place of
-- the only one, or NULL. Values are read by jsonb_to_record, which applies dimensions as input does (a cast would cut or pad);
-- json documents are unwrapped from their string, or they would become JSON strings.
CREATE FUNCTION sch_chameleon.fn_replay_statements(
  p_plan json, OUT t_delete text, OUT t_update text, OUT t_update_key text, OUT t_insert text,
  OUT t_delete_updated text, OUT t_insert_updated text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_target text := format('%I.%I', p_plan->>'target_schema', p_plan->>'target_table');
  v_log text;
  v_names text;      -- "a", "b"
  v_values text;     -- n."a", n."b"::jsonb
  v_set text;        -- without the key, unless there is nothing else
  v_record text;     -- "a" integer, "b" text
  v_key_record text;
  v_key_match text;  -- t."a" = o."a"
  v_keys integer;
BEGIN
  SELECT string_agg(c.name, ', ' ORDER BY c.i),
         string_agg(c.value, ', ' ORDER BY c.i),
         coalesce(string_agg(c.name || ' = ' || c.value, ', ' ORDER BY c.i) FILTER (WHERE NOT c.key),
                  string_agg(c.name || ' = ' || c.value, ', ' ORDER BY c.i)),
         string_agg(c.name || ' ' || c.type, ', ' ORDER BY c.i),
         string_agg(c.name || ' ' || c.type, ', ' ORDER BY c.i) FILTER (WHERE c.key),
         string_agg('t.' || c.name || ' = o.' || c.name, ' AND ' ORDER BY c.i) FILTER (WHERE c.key),
         count(*) FILTER (WHERE c.key)
  INTO v_names, v_values, v_set, v_record, v_key_record, v_key_match, v_keys
  FROM (SELECT x.i, quote_ident(x.c->>'target_name') AS name,
               coalesce((x.c->>'is_key')::boolean, false) AS key,
               'n.' || quote_ident(x.c->>'target_name')
                 || CASE WHEN sch_chameleon.fn_is_document(x.c)
                         THEN '::' || (x.c->>'target_type') ELSE '' END AS value,
               CASE WHEN sch_chameleon.fn_is_document(x.c) THEN 'text'
                    ELSE x.c->>'target_type' END AS type
        FROM json_array_elements(p_plan->'columns') WITH ORDINALITY AS x(c, i)
        WHERE NOT coalesce((x.c->>'omitted')::boolean, false)) c;
  IF v_keys = 0 THEN
    RETURN;
  END IF;
  -- The texts go through format() once more: their own % must survive it.
  v_target := replace(v_target, '%', '%%');
  v_names := replace(v_names, '%', '%%');
  v_values := replace(v_values, '%', '%%');
  v_set := replace(v_set, '%', '%%');
  v_record := replace(v_record, '%', '%%');
  v_key_record := replace(v_key_record, '%', '%%');
  v_key_match := replace(v_key_match, '%', '%%');

  v_log := 'l.i_id_batch = $1 AND l.i_id_table = ' || (p_plan->>'table_id')::bigint
    || ' AND (l.jsb_event_before IS NOT NULL) = $2 AND ($3 IS NULL OR l.ctid = $3)'
    || ' AND l.enm_binlog_event = ';
  t_delete := 'DELETE FROM ' || v_target || ' t USING sch_chameleon.%1$I l CROSS JOIN LATERAL '
    || 'jsonb_to_record(l.jsb_event_before) AS o(' || v_key_record || ') WHERE ' || v_log
    || '''delete'' AND ' || v_key_match;
  t_update := 'UPDATE ' || v_target || ' t SET ' || v_set
    || ' FROM sch_chameleon.%1$I l CROSS JOIN LATERAL jsonb_to_record(l.jsb_event_after) AS n('
    || v_record || ') WHERE ' || v_log || '''update'' AND '
    || replace(v_key_match, ' = o.', ' = n.');
  t_update_key := (sch_chameleon.fn_incomplete_statements(p_plan)).t_update;
  t_insert := 'INSERT INTO ' || v_target || ' (' || v_names || ') SELECT ' || v_values
    || ' FROM sch_chameleon.%1$I l CROSS JOIN LATERAL jsonb_to_record(l.jsb_event_after) AS n('
    || v_record || ') WHERE ' || v_log || '''insert''';
  t_delete_updated := 'DELETE FROM ' || v_target
    || ' t USING sch_chameleon.%1$I l CROSS JOIN LATERAL '
    || 'jsonb_to_record(coalesce(l.jsb_event_before, l.jsb_event_after)) AS o(' || v_key_record
    || ') WHERE ' || v_log || '''update'' AND ' || v_key_match;
  t_insert_updated := 'INSERT INTO ' || v_target || ' (' || v_names || ') SELECT ' || v_values
    || ' FROM sch_chameleon.%1$I l CROSS JOIN LATERAL jsonb_to_record(l.jsb_event_after) AS n('
    || v_record || ') WHERE ' || v_log || '''update''';
END $$;

-- A batch's lines of one table, event and form.
CREATE TYPE sch_chameleon.ty_log_range AS (
  enm_binlog_event sch_chameleon.en_binlog_event,
  b_before boolean, -- with a before image: deletes, updates that do not hold the whole row
  i_rows bigint
);

-- Runs one of them. Fewer rows than lines: a row is not where the source had it. That is drift,
-- except in a table whose events are skipped in part (p_lenient: its number): counted in the ledger.
CREATE FUNCTION sch_chameleon.fn_replay_statement(
  p_statement text, p_log_table varchar, p_batch bigint, p_range sch_chameleon.ty_log_range,
  p_lenient bigint DEFAULT NULL, p_line tid DEFAULT NULL)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_rows bigint;
BEGIN
  EXECUTE format(p_statement, p_log_table)
  USING p_batch, p_range.b_before, p_line;
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  IF v_rows <> p_range.i_rows AND p_lenient IS NOT NULL THEN
    INSERT INTO sch_chameleon.t_ledger AS l (i_id_source, i_id_table, t_kind, i_count)
    SELECT t.i_id_source, t.i_id_table, 'skip_events:' || p_range.enm_binlog_event || ' of absent row',
           p_range.i_rows - v_rows
    FROM sch_chameleon.t_replica_tables t WHERE t.i_id_table = p_lenient
    ON CONFLICT (i_id_source, i_id_table, t_kind)
    DO UPDATE SET i_count = l.i_count + EXCLUDED.i_count, ts_last = clock_timestamp();
  ELSIF v_rows <> p_range.i_rows THEN
    RAISE EXCEPTION '% of % row(s) found %: the target is not equal to the source',
      p_range.enm_binlog_event, p_range.i_rows, v_rows USING ERRCODE = 'CH010';
  END IF;
END $$;

-- Skipped deletes leave rows that a later insert of the same key replaces.
CREATE FUNCTION sch_chameleon.fn_replace_inserted(
  p_log_table varchar, p_batch bigint, p_version sch_chameleon.t_table_version,
  p_ranges sch_chameleon.ty_log_range[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  r sch_chameleon.ty_log_range;
BEGIN
  FOREACH r IN ARRAY p_ranges LOOP
    CONTINUE WHEN r.enm_binlog_event <> 'insert';
    EXECUTE format(replace(p_version.t_delete_updated, 'l.enm_binlog_event = ''update''',
                           'l.enm_binlog_event = ''insert'''), p_log_table)
    USING p_batch, r.b_before, NULL::tid;
  END LOOP;
END $$;

-- One batch of one table: DELETE, UPDATE, INSERT, which is the order of p_ranges. Unique values that
-- rows of the batch exchange collide in one UPDATE: then the updated rows are deleted and inserted,
-- as two statements.
CREATE FUNCTION sch_chameleon.fn_replay_table(
  p_log_table varchar, p_batch bigint, p_version sch_chameleon.t_table_version,
  p_ranges sch_chameleon.ty_log_range[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r sch_chameleon.ty_log_range;
  v_lenient bigint := (SELECT t.i_id_table FROM sch_chameleon.t_replica_tables t
                       WHERE t.i_id_table = p_version.i_id_table AND t.b_skip_events);
BEGIN
  IF v_lenient IS NOT NULL THEN
    PERFORM sch_chameleon.fn_replace_inserted(p_log_table, p_batch, p_version, p_ranges);
  END IF;
  FOREACH r IN ARRAY p_ranges LOOP
    CONTINUE WHEN r.enm_binlog_event = 'stop';
    IF r.enm_binlog_event = 'cascade' THEN
      PERFORM sch_chameleon.fn_replay_cascade(p_log_table, p_batch, p_version.i_id_table);
      CONTINUE;
    END IF;
    PERFORM sch_chameleon.fn_replay_statement(
      CASE WHEN r.enm_binlog_event = 'delete' THEN p_version.t_delete
           WHEN r.enm_binlog_event = 'insert' THEN p_version.t_insert
           WHEN r.b_before THEN p_version.t_update_key
           ELSE p_version.t_update END, p_log_table, p_batch, r, v_lenient);
  END LOOP;
EXCEPTION WHEN unique_violation THEN
  -- Foreign key actions have their own way around, and it has failed.
  IF EXISTS (SELECT FROM unnest(p_ranges) x WHERE x.enm_binlog_event = 'cascade') THEN
    RAISE;
  END IF;
  FOREACH r IN ARRAY p_ranges LOOP
    IF r.enm_binlog_event = 'update' AND r.b_before THEN
      PERFORM sch_chameleon.fn_delete_incomplete(p_log_table, p_batch, p_version, r);
    ELSIF r.enm_binlog_event IN ('delete', 'update') THEN
      PERFORM sch_chameleon.fn_replay_statement(
        CASE WHEN r.enm_binlog_event = 'delete' THEN p_version.t_delete
             ELSE p_version.t_delete_updated END, p_log_table, p_batch, r, v_lenient);
    END IF;
  END LOOP;
  IF v_lenient IS NOT NULL THEN
    PERFORM sch_chameleon.fn_replace_inserted(p_log_table, p_batch, p_version, p_ranges);
  END IF;
  FOREACH r IN ARRAY p_ranges LOOP
    IF r.enm_binlog_event = 'update' AND r.b_before THEN
      PERFORM sch_chameleon.fn_insert_incomplete(p_version);
    ELSIF r.enm_binlog_event IN ('update', 'insert') THEN
      PERFORM sch_chameleon.fn_replay_statement(
        CASE WHEN r.enm_binlog_event = 'insert' THEN p_version.t_insert
             ELSE p_version.t_insert_updated END, p_log_table, p_batch, r, v_lenient);
    END IF;
  END LOOP;
END $$;
