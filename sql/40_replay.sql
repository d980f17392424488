-- Replay: the log, set by set, into the target.

CREATE TYPE sch_chameleon.ty_replay_status AS (
  b_continue boolean,       -- more is complete and waiting
  b_error boolean,          -- the source must stop: t_error says why
  v_table_error varchar[],  -- tables that left the replica in this round
  i_batches bigint,
  i_replayed bigint,
  i_skipped bigint,
  i_ddl bigint,
  t_error text
);

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

-- What a batch holds for each table. CH012: lines are missing.
CREATE TYPE sch_chameleon.ty_batch_part AS (
  i_id_table bigint,
  i_rows bigint,
  i_statements bigint, -- of them: truncate and ddl
  i_stops bigint,      -- of them: stop
  t_ranges sch_chameleon.ty_log_range[]
);

CREATE FUNCTION sch_chameleon.fn_batch_content(
  p_log_table varchar, p_batch bigint, p_rows bigint)
RETURNS SETOF sch_chameleon.ty_batch_part
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
  v_query text := format(
    'SELECT sum(p.i_rows)::bigint, array_agg(p::sch_chameleon.ty_batch_part ORDER BY p.i_id_table)
     FROM (SELECT g.i_id_table, sum(g.rows)::bigint AS i_rows,
                  coalesce(sum(g.rows) FILTER (WHERE g.event IN (''truncate'', ''ddl'')),
                           0)::bigint AS i_statements,
                  coalesce(sum(g.rows) FILTER (WHERE g.event = ''stop''), 0)::bigint AS i_stops,
                  array_agg(ROW(g.event, g.before, g.rows)
                              ::sch_chameleon.ty_log_range ORDER BY g.event, g.before) AS t_ranges
           FROM (SELECT l.i_id_table, l.enm_binlog_event AS event,
                        l.jsb_event_before IS NOT NULL AS before, count(*) AS rows
                 FROM sch_chameleon.%I l WHERE l.i_id_batch = $1 GROUP BY 1, 2, 3) g
           GROUP BY g.i_id_table) p', p_log_table);
  v_parts sch_chameleon.ty_batch_part[];
  v_found bigint;
BEGIN
  EXECUTE v_query INTO v_found, v_parts USING p_batch;
  IF coalesce(v_found, 0) <> p_rows THEN
    RAISE EXCEPTION 'batch % has % rows in log table %, % were stored', p_batch,
      coalesce(v_found, 0), p_log_table, p_rows USING ERRCODE = 'CH012';
  END IF;
  RETURN QUERY SELECT * FROM unnest(v_parts);
END $$;

-- Errors that say nothing about the data: try the same again later. Lost connections, lock timeouts
-- and conflicts, resources, shutdown, internal errors.
CREATE FUNCTION sch_chameleon.fn_is_transient(p_sqlstate text)
RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT left(p_sqlstate, 2) IN ('08', '40', '53', '57', '58', 'XX')
      OR p_sqlstate IN ('55P03', '55006', '25006')
$$;

-- Executes one statement. A statement that waits for a lock makes all later readers wait behind it:
-- short timeout, the round is tried again.
CREATE FUNCTION sch_chameleon.fn_replay_ddl(p_query text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
  EXECUTE p_query;
END $$;

-- Whether lines of this table are applied. A table that is only created, not followed (no key), has
-- none but those of its creation.
CREATE FUNCTION sch_chameleon.fn_is_followed(p_i_id_source bigint, p_table bigint)
RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT t.b_replica_enabled OR (NOT t.b_replicated AND t.ts_disabled IS NULL)
                   FROM sch_chameleon.t_replica_tables t
                   WHERE t.i_id_table = p_table AND t.i_id_source = p_i_id_source),
                  p_table = 0)
$$;

-- An error of one table in one batch: CH020 with a JSON detail (table, batch, sqlstate, detail,
-- context), or, when it says nothing about the data, as it was.
CREATE FUNCTION sch_chameleon.fn_raise_table_error(
  p_table bigint, p_batch bigint, p_state text, p_message text, p_detail text, p_context text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF sch_chameleon.fn_is_transient(p_state) THEN
    RAISE EXCEPTION '%', p_message USING ERRCODE = p_state, DETAIL = p_detail;
  END IF;
  RAISE EXCEPTION '%', p_message USING ERRCODE = 'CH020', DETAIL = json_build_object(
    'table', p_table, 'batch', p_batch, 'sqlstate', p_state, 'detail', p_detail,
    'context', p_context)::text;
END $$;

-- All statements of a batch, of all tables, in their order (the after image says it: the heap does
-- not keep it): a RENAME that swaps tables depends on it. Lines of tables that have left the replica are skipped.
CREATE FUNCTION sch_chameleon.fn_replay_statements_of(
  p_i_id_source bigint, p_log_table varchar, p_batch bigint,
  OUT i_executed bigint, OUT i_skipped bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  q record;
  v_state text;
  v_message text;
  v_detail text;
  v_context text;
BEGIN
  i_executed := 0; i_skipped := 0;
  FOR q IN EXECUTE format(
    'SELECT l.i_id_table, l.t_query FROM sch_chameleon.%I l
     WHERE l.i_id_batch = $1 AND l.enm_binlog_event IN (''truncate'', ''ddl'')
     ORDER BY (l.jsb_event_after->>''line'')::integer, l.ctid',
    p_log_table) USING p_batch
  LOOP
    IF NOT sch_chameleon.fn_is_followed(p_i_id_source, q.i_id_table) THEN
      i_skipped := i_skipped + 1;
      CONTINUE;
    END IF;
    BEGIN
      PERFORM sch_chameleon.fn_replay_ddl(q.t_query);
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
        v_detail = PG_EXCEPTION_DETAIL, v_context = PG_EXCEPTION_CONTEXT;
      PERFORM sch_chameleon.fn_raise_table_error(
        q.i_id_table, p_batch, v_state, v_message, v_detail, v_context);
    END;
    i_executed := i_executed + 1;
  END LOOP;
END $$;

-- The table leaves the replica here, because its worker said so.
CREATE FUNCTION sch_chameleon.fn_stop_table(
  p_i_id_source bigint, p_log_table varchar, p_batch bigint, p_table bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_reason text;
BEGIN
  EXECUTE format(
    'SELECT t_query FROM sch_chameleon.%I
     WHERE i_id_batch = $1 AND i_id_table = $2 AND enm_binlog_event = ''stop''
     ORDER BY ctid LIMIT 1', p_log_table) INTO v_reason USING p_batch, p_table;
  INSERT INTO sch_chameleon.t_error_log (
    i_id_batch, i_id_source, v_table_name, v_schema_name, t_table_pkey, t_binlog_name,
    i_binlog_position, t_sql, t_error_message)
  SELECT p_batch, p_i_id_source, t.v_table_name, t.v_schema_name,
         array_to_string(t.v_table_pkey, ','), coalesce(b.t_binlog_name, ''),
         coalesce(b.i_binlog_position, 0), '', v_reason
  FROM sch_chameleon.t_replica_tables t
  LEFT JOIN sch_chameleon.t_replica_batch b
    ON b.i_id_source = t.i_id_source AND b.i_id_batch = p_batch
  WHERE t.i_id_table = p_table;
  UPDATE sch_chameleon.t_replica_tables
  SET b_replica_enabled = false, ts_disabled = clock_timestamp(), t_reason = coalesce(v_reason, '')
  WHERE i_id_table = p_table;
END $$;

-- Applies the batches p_first … p_last to all enabled tables, or to p_only alone (diagnosis: the
-- statements of all, because names may depend on them), and does the batches' bookkeeping in the
-- first case. A table that fails raises CH020: see fn_raise_table_error.
CREATE FUNCTION sch_chameleon.fn_replay_batches(
  p_i_id_source bigint, p_first bigint, p_last bigint, p_only bigint DEFAULT NULL)
RETURNS TABLE (i_batches bigint, i_replayed bigint, i_skipped bigint, i_ddl bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  b record;
  c sch_chameleon.ty_batch_part;
  v_parts sch_chameleon.ty_batch_part[];
  v_version sch_chameleon.t_table_version;
  v_replayed bigint;
  v_skipped bigint;
  v_ddl bigint;
  v_state text;
  v_message text;
  v_detail text;
  v_context text;
BEGIN
  i_batches := 0; i_replayed := 0; i_skipped := 0; i_ddl := 0;
  FOR b IN
    SELECT r.i_id_batch, r.v_log_table, r.i_rows
    FROM sch_chameleon.t_replica_batch r
    WHERE r.i_id_source = p_i_id_source AND r.i_id_batch BETWEEN p_first AND p_last
      AND NOT r.b_replayed
    ORDER BY r.i_id_batch
  LOOP
    v_replayed := 0; v_skipped := 0; v_ddl := 0;
    v_parts := ARRAY(SELECT p FROM sch_chameleon.fn_batch_content(
      b.v_log_table, b.i_id_batch, b.i_rows) p);
    IF (SELECT sum(p.i_statements) FROM unnest(v_parts) p) > 0 THEN
      SELECT s.i_executed, s.i_skipped INTO v_ddl, v_skipped
      FROM sch_chameleon.fn_replay_statements_of(p_i_id_source, b.v_log_table, b.i_id_batch) s;
    END IF;
    FOREACH c IN ARRAY v_parts LOOP
      CONTINUE WHEN c.i_statements = c.i_rows OR c.i_id_table <> p_only;
      IF NOT sch_chameleon.fn_is_followed(p_i_id_source, c.i_id_table) THEN
        v_skipped := v_skipped + c.i_rows - c.i_statements;
        IF EXISTS (SELECT FROM unnest(c.t_ranges) x WHERE x.enm_binlog_event = 'cascade') THEN
          PERFORM sch_chameleon.fn_stop_children(p_i_id_source, c.i_id_table, b.i_id_batch);
        END IF;
        CONTINUE;
      END IF;
      IF c.i_rows > c.i_stops + c.i_statements THEN
        BEGIN
          IF c.i_statements > 0 THEN
            RAISE EXCEPTION 'batch % mixes statements and rows of one table', b.i_id_batch
              USING ERRCODE = 'CH011';
          END IF;
          SELECT v.* INTO v_version FROM sch_chameleon.t_table_version v
          WHERE v.i_id_table = c.i_id_table AND v.i_from_batch <= b.i_id_batch
          ORDER BY v.i_from_batch DESC LIMIT 1;
          IF v_version.t_insert IS NULL THEN
            RAISE EXCEPTION 'no replayable version of table % at batch %', c.i_id_table,
              b.i_id_batch USING ERRCODE = 'CH011';
          END IF;
          PERFORM sch_chameleon.fn_replay_table(
            b.v_log_table, b.i_id_batch, v_version, c.t_ranges);
        EXCEPTION WHEN OTHERS THEN
          GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL, v_context = PG_EXCEPTION_CONTEXT;
          PERFORM sch_chameleon.fn_raise_table_error(
            c.i_id_table, b.i_id_batch, v_state, v_message, v_detail, v_context);
        END;
      END IF;
      IF c.i_stops > 0 AND p_only IS NULL THEN
        PERFORM sch_chameleon.fn_stop_table(
          p_i_id_source, b.v_log_table, b.i_id_batch, c.i_id_table);
      END IF;
      v_replayed := v_replayed + c.i_rows - c.i_statements - c.i_stops;
    END LOOP;
    IF p_only IS NULL THEN
      UPDATE sch_chameleon.t_replica_batch r
      SET b_replayed = true, ts_replayed = clock_timestamp(), i_replayed = v_replayed,
          i_skipped = v_skipped, i_ddl = v_ddl
      WHERE r.i_id_source = p_i_id_source AND r.i_id_batch = b.i_id_batch;
    END IF;
    i_batches := i_batches + 1;
    i_replayed := i_replayed + v_replayed;
    i_skipped := i_skipped + v_skipped;
    i_ddl := i_ddl + v_ddl;
  END LOOP;
  RETURN NEXT;
END $$;

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
      t_reason = format('replay of batch %s failed: %s (error log %s)', v_batch, p_message, v_log)
  WHERE i_id_table = v_table;
  p_status.v_table_error := p_status.v_table_error || v_name::varchar;
  RETURN p_status;
END $$;

-- One round of replay, one transaction: complete source transactions in order, until p_max_rows log
-- rows are reached, applied together with the replayed position. p_on_error:
--   continue  a table that fails leaves the replica as of the last replayed position (t_reason,
--             t_error_log and t_discarded_rows say why) and the round goes on without it
--   exit      nothing is applied, b_error is set
-- Errors that say nothing about the data (locks, resources, shutdown) are raised: call again.
CREATE FUNCTION sch_chameleon.fn_replay_mysql(
  p_i_id_source bigint, p_max_rows integer, p_on_error text DEFAULT 'continue')
RETURNS sch_chameleon.ty_replay_status
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_status sch_chameleon.ty_replay_status;
  v_next record;
  v_first bigint;
  v_last bigint;
  v_from bigint;
  v_sum bigint := 0;
  v_where json;
  v_message text;
  v_detail text;
BEGIN
  v_status := (false, false, '{}', 0, 0, 0, 0, NULL);
  -- One replay at a time, whoever runs it.
  SELECT i_last_batch INTO v_from FROM sch_chameleon.t_last_replayed
  WHERE i_id_source = p_i_id_source FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no source %', p_i_id_source USING ERRCODE = 'CH013';
  END IF;
  FOR v_next IN
    SELECT r.i_id_batch, r.i_rows, r.b_more, r.b_exclusive FROM sch_chameleon.t_replica_batch r
    WHERE r.i_id_source = p_i_id_source AND NOT r.b_replayed AND r.i_id_batch > v_from
    ORDER BY r.i_id_batch
  LOOP
    IF v_last IS NOT NULL AND v_sum >= p_max_rows THEN
      -- Something waits; whether it is complete, the next round sees.
      v_status.b_continue := true;
      EXIT;
    END IF;
    v_first := coalesce(v_first, v_next.i_id_batch);
    v_sum := v_sum + v_next.i_rows;
    IF NOT v_next.b_more THEN
      v_last := v_next.i_id_batch;
      IF v_next.b_exclusive THEN
        v_status.b_continue := true;
        EXIT;
      END IF;
      EXIT WHEN v_sum >= 100000000;
    END IF;
  END LOOP;

  WHILE v_last IS NOT NULL LOOP
    BEGIN
      SELECT r.i_batches, r.i_replayed, r.i_skipped, r.i_ddl
      INTO v_status.i_batches, v_status.i_replayed, v_status.i_skipped, v_status.i_ddl
      FROM sch_chameleon.fn_replay_batches(p_i_id_source, v_first, v_last) r;
      EXIT;
    EXCEPTION WHEN SQLSTATE 'CH020' THEN
      -- The round is undone. Without the table, or not at all.
      GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
      v_where := v_detail::json;
    END;
    v_status := sch_chameleon.fn_quarantine(
      p_i_id_source, v_first, v_where, v_message, p_on_error, v_status);
    IF v_status.b_error THEN
      RETURN v_status;
    END IF;
  END LOOP;

  -- With nothing left the log says no more than the received position, which idle advances move on.
  UPDATE sch_chameleon.t_last_replayed r
  SET t_binlog_name = e.t_binlog_name, i_binlog_position = e.i_binlog_position,
      t_gtid_set = e.t_gtid_set, t_server_id = e.t_server_id, i_file_created = e.i_file_created,
      i_last_batch = e.i_last_batch, ts_last_replayed = clock_timestamp(),
      ts_source_commit = coalesce(e.ts_source_commit, r.ts_source_commit)
  FROM (SELECT s.t_binlog_name, s.i_binlog_position, s.t_gtid_set, s.t_server_id,
               s.i_file_created, s.i_last_batch, s.ts_source_commit
        FROM sch_chameleon.t_sources s
        WHERE s.i_id_source = p_i_id_source
          AND NOT EXISTS (SELECT FROM sch_chameleon.t_replica_batch p
                          WHERE p.i_id_source = p_i_id_source AND NOT p.b_replayed
                            AND p.i_id_batch > coalesce(v_last, v_from))
        UNION ALL  -- the first row there is
        SELECT b.t_binlog_name, b.i_binlog_position, b.t_gtid_set, b.t_server_id, b.i_file_created,
               b.i_id_batch, b.ts_source_commit
        FROM sch_chameleon.t_replica_batch b
        WHERE b.i_id_source = p_i_id_source AND b.i_id_batch = v_last
        LIMIT 1) e
  WHERE r.i_id_source = p_i_id_source AND r.i_last_batch <> e.i_last_batch;
  RETURN v_status;
END $$;

-- Forgets replayed batches older than p_retention, at most p_max at a time, and schema versions that
-- nothing needs any more. Returns how many batches went.
CREATE FUNCTION sch_chameleon.fn_clean_batches(
  p_i_id_source bigint, p_retention interval, p_max integer DEFAULT 10000)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  DELETE FROM sch_chameleon.t_replica_batch
  WHERE (i_id_source, i_id_batch) IN (
    SELECT i_id_source, i_id_batch FROM sch_chameleon.t_replica_batch
    WHERE i_id_source = p_i_id_source AND b_replayed
      AND ts_replayed < clock_timestamp() - p_retention
    ORDER BY i_id_batch LIMIT p_max);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  DELETE FROM sch_chameleon.t_table_version v
  USING sch_chameleon.t_replica_tables t, sch_chameleon.t_last_replayed r
  WHERE t.i_id_table = v.i_id_table AND t.i_id_source = p_i_id_source
    AND r.i_id_source = p_i_id_source
    AND EXISTS (SELECT FROM sch_chameleon.t_table_version n
                WHERE n.i_id_table = v.i_id_table AND n.i_from_batch > v.i_from_batch
                  AND n.i_from_batch <= r.i_last_batch);
  RETURN v_count;
END $$;
