-- Replay: the log, batch by batch, into the target, together with the replayed position.

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
-- not keep it): a RENAME that swaps tables depends on it. Lines of tables that have left the
-- replica are skipped.
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
      -- What is left of it goes by the name that its source has: the old one may be another's, or
      -- nobody's.
      IF starts_with(q.t_query, 'SELECT sch_chameleon.fn_move_table(') THEN
        BEGIN
          PERFORM sch_chameleon.fn_replay_ddl(q.t_query);
        EXCEPTION WHEN undefined_table OR duplicate_table THEN
          NULL;
        END;
      END IF;
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
