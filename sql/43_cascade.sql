-- Foreign key actions that the source's engine took without logging them (MariaDB, InnoDB's own
-- foreign keys): completed here, after the parent's change, in the same transaction.
--
-- A line 'cascade' belongs to the child table. jsb_event_before: its foreign key columns as they
-- were; jsb_event_after: what they become; NULL: the rows are deleted. Rows are found by equality,
-- so only types whose equality is the same in both servers are followed; a child with others leaves
-- the replica, with the reason.

CREATE FUNCTION sch_chameleon.fn_version_at(p_table bigint, p_batch bigint)
RETURNS sch_chameleon.t_table_version LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT v FROM sch_chameleon.t_table_version v
  WHERE v.i_id_table = p_table AND v.i_from_batch <= p_batch ORDER BY v.i_from_batch DESC LIMIT 1
$$;

-- A definition without U+0000 (in defaults and comments), which SQL cannot take apart.
CREATE FUNCTION sch_chameleon.fn_readable_def(p_def json)
RETURNS json LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN strpos(p_def::text, '\u0000') = 0 THEN p_def
              ELSE regexp_replace(p_def::text, '(\\\\)|\\u0000', '\1', 'g')::json END
$$;

-- Column names are compared without case, as the source does.
CREATE FUNCTION sch_chameleon.fn_target_column(p_def json, p_plan json, p_column text)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p.value->>'target_name'
  FROM json_array_elements(p_def->'columns') WITH ORDINALITY d(value, i)
  JOIN json_array_elements(p_plan->'columns') WITH ORDINALITY p(value, i) USING (i)
  WHERE lower(d.value->>'name') = lower(p_column)
$$;

-- Foreign keys of replicated tables that act when p_table's rows change, with target names.
CREATE FUNCTION sch_chameleon.fn_cascading_keys(
  p_i_id_source bigint, p_table bigint, p_batch bigint, p_delete boolean)
RETURNS TABLE (i_id_child bigint, b_null boolean, v_referenced text[], v_columns text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH parent AS (
    SELECT (v).jsn_plan AS plan, sch_chameleon.fn_readable_def((v).jsn_def) AS def
    FROM (SELECT sch_chameleon.fn_version_at(p_table, p_batch) AS v) x
  ), child AS (
    SELECT t.i_id_table, v.jsn_plan AS plan, d.def, k.value AS key,
           CASE WHEN p_delete THEN k.value->>'on_delete' ELSE k.value->>'on_update' END AS action
    FROM sch_chameleon.t_replica_tables t
    CROSS JOIN LATERAL sch_chameleon.fn_version_at(t.i_id_table, p_batch) v
    CROSS JOIN LATERAL (SELECT sch_chameleon.fn_readable_def(v.jsn_def)) d(def)
    CROSS JOIN LATERAL json_array_elements(coalesce(d.def->'foreign_keys', '[]')) k
    WHERE t.i_id_source = p_i_id_source AND t.b_replicated
  )
  SELECT c.i_id_table, c.action = 'SET NULL',
         ARRAY(SELECT sch_chameleon.fn_target_column(p.def, p.plan, r.value)
               FROM json_array_elements_text(c.key->'referenced_columns') WITH ORDINALITY r(value, i)
               ORDER BY r.i),
         ARRAY(SELECT sch_chameleon.fn_target_column(c.def, c.plan, r.value)
               FROM json_array_elements_text(c.key->'columns') WITH ORDINALITY r(value, i)
               ORDER BY r.i)
  FROM child c CROSS JOIN parent p
  WHERE c.action IN ('CASCADE', 'SET NULL')
    AND lower(c.key->'referenced'->>'schema') = lower(p.def->'name'->>'schema')
    AND lower(c.key->'referenced'->>'table') = lower(p.def->'name'->>'table')
$$;

-- A table leaves the replica because rows of its parent cannot be followed; so do its children.
CREATE FUNCTION sch_chameleon.fn_stop_cascade(
  p_i_id_source bigint, p_table bigint, p_batch bigint, p_reason text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE sch_chameleon.t_replica_tables
  SET b_replica_enabled = false, ts_disabled = clock_timestamp(), t_reason = p_reason
  WHERE i_id_table = p_table AND b_replica_enabled;
  IF FOUND THEN
    INSERT INTO sch_chameleon.t_error_log (
      i_id_batch, i_id_source, v_table_name, v_schema_name, t_table_pkey, t_binlog_name,
      i_binlog_position, t_error_message)
    SELECT p_batch, p_i_id_source, t.v_table_name, t.v_schema_name,
           array_to_string(t.v_table_pkey, ','), coalesce(b.t_binlog_name, ''),
           coalesce(b.i_binlog_position, 0), p_reason
    FROM sch_chameleon.t_replica_tables t
    LEFT JOIN sch_chameleon.t_replica_batch b
      ON b.i_id_source = t.i_id_source AND b.i_id_batch = p_batch
    WHERE t.i_id_table = p_table;
    PERFORM sch_chameleon.fn_stop_children(p_i_id_source, p_table, p_batch);
  END IF;
END $$;

CREATE FUNCTION sch_chameleon.fn_stop_children(
  p_i_id_source bigint, p_table bigint, p_batch bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_name text;
  k record;
BEGIN
  SELECT format('%s.%s', v_schema_name, v_table_name) INTO v_name
  FROM sch_chameleon.t_replica_tables WHERE i_id_table = p_table;
  FOR k IN
    SELECT DISTINCT c.i_id_child
    FROM (VALUES (true), (false)) d(deleted)
    CROSS JOIN LATERAL sch_chameleon.fn_cascading_keys(p_i_id_source, p_table, p_batch, d.deleted) c
  LOOP
    PERFORM sch_chameleon.fn_stop_cascade(p_i_id_source, k.i_id_child, p_batch, format(
      'the source changes its rows through a foreign key of %s, which has left the replica',
      v_name));
  END LOOP;
END $$;

-- The way around unique values that rows take over from each other (a parent's keys move up by one):
-- the rows are taken out, changed and put back.
CREATE FUNCTION sch_chameleon.fn_cascade_apart(
  p_target text, p_from text, p_statement text, p_changes jsonb)
RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_done jsonb;
  v_names text;
BEGIN
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO v_names
  FROM pg_attribute a
  WHERE a.attrelid = p_target::regclass AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attgenerated = '';
  DROP TABLE IF EXISTS pg_temp.t_cascaded;
  EXECUTE format('CREATE TEMP TABLE t_cascaded ON COMMIT DROP AS SELECT * FROM %s WITH NO DATA',
                 p_target);
  EXECUTE format(
    'WITH w AS (DELETE FROM %s t USING jsonb_array_elements($1) e CROSS JOIN LATERAL %s
       RETURNING t.*) INSERT INTO pg_temp.t_cascaded SELECT * FROM w', p_target, p_from)
  USING p_changes;
  EXECUTE format(p_statement, 'pg_temp.t_cascaded') INTO v_done USING p_changes;
  EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM pg_temp.t_cascaded', p_target, v_names,
                 v_names);
  DROP TABLE pg_temp.t_cascaded;
  RETURN v_done;
END $$;

-- One foreign key of p_table: p_changes is an array of {"o": old values} or {"o": …, "n": new ones}
-- of p_columns. Then the same for the tables that refer to the rows it changed.
CREATE FUNCTION sch_chameleon.fn_cascade(
  p_i_id_source bigint, p_batch bigint, p_table bigint, p_columns text[], p_delete boolean,
  p_changes jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_version sch_chameleon.t_table_version := sch_chameleon.fn_version_at(p_table, p_batch);
  v_plan json := v_version.jsn_plan;
  v_target text := format('%I.%I', v_plan->>'target_schema', v_plan->>'target_table');
  v_record text;
  v_match text;
  v_set text;
  v_old text;
  v_new text;
  v_statement text; -- %1$s: the table
  v_done jsonb;
  v_refused text;
  k record;
BEGIN
  IF NOT sch_chameleon.fn_is_followed(p_i_id_source, p_table) THEN
    PERFORM sch_chameleon.fn_stop_children(p_i_id_source, p_table, p_batch);
    RETURN;
  END IF;
  SELECT string_agg(format('%I %s', f.name, c.value->>'target_type'), ', '),
         string_agg(format('t.%1$I = o.%1$I', f.name), ' AND '),
         string_agg(format('%1$I = n.%1$I', f.name), ', '),
         string_agg(f.name, ', ') FILTER (
           WHERE c.value->>'target_type' !~ '^(smallint|integer|bigint|numeric|date|timestamp|uuid)')
  INTO v_record, v_match, v_set, v_refused
  FROM unnest(p_columns) f(name)
  JOIN json_array_elements(v_plan->'columns') c ON c.value->>'target_name' = f.name;
  IF v_refused IS NOT NULL THEN
    PERFORM sch_chameleon.fn_stop_cascade(p_i_id_source, p_table, p_batch, format(
      'the source changed rows through a foreign key on %s without logging them, and values of this '
      'type may be equal there and not here; copy the table again with sync_tables', v_refused));
    RETURN;
  END IF;
  -- All values of a changed row that other tables refer to, before and after.
  SELECT string_agg(format('(%L, %s)', c.name, CASE WHEN c.name = ANY (p_columns)
                           THEN format('o.%I::text', c.name) ELSE format('t.%I::text', c.name) END),
                    ', '),
         string_agg(format('(%L, %s)', c.name, CASE WHEN c.name = ANY (p_columns) AND NOT p_delete
                           THEN format('n.%I::text', c.name) ELSE format('t.%I::text', c.name) END),
                    ', ')
  INTO v_old, v_new
  FROM (SELECT DISTINCT unnest(x.v_referenced) AS name
        FROM sch_chameleon.fn_cascading_keys(p_i_id_source, p_table, p_batch, p_delete) x) c;
  v_old := coalesce(v_old, '(''-'', NULL)');
  v_new := coalesce(v_new, '(''-'', NULL)');
  v_statement := format(
    CASE WHEN p_delete THEN
      'WITH w AS (DELETE FROM %%1$s t
         USING jsonb_array_elements($1) e CROSS JOIN LATERAL jsonb_to_record(e->''o'') AS o(%1$s)
         WHERE %2$s
         RETURNING jsonb_build_object(
           ''o'', (SELECT jsonb_object_agg(k, v) FROM (VALUES %3$s) x(k, v))) AS row)'
    ELSE
      'WITH w AS (UPDATE %%1$s t SET %5$s
         FROM jsonb_array_elements($1) e CROSS JOIN LATERAL jsonb_to_record(e->''o'') AS o(%1$s)
           CROSS JOIN LATERAL jsonb_to_record(e->''n'') AS n(%1$s)
         WHERE %2$s
         RETURNING jsonb_build_object(
           ''o'', (SELECT jsonb_object_agg(k, v) FROM (VALUES %3$s) x(k, v)),
           ''n'', (SELECT jsonb_object_agg(k, v) FROM (VALUES %4$s) x(k, v))) AS row)'
    END || ' SELECT jsonb_agg(row) FROM w',
    replace(v_record, '%', '%%'), replace(v_match, '%', '%%'), replace(v_old, '%', '%%'),
    replace(v_new, '%', '%%'), replace(v_set, '%', '%%'));
  BEGIN
    EXECUTE format(v_statement, v_target) INTO v_done USING p_changes;
  EXCEPTION WHEN unique_violation THEN
    v_done := sch_chameleon.fn_cascade_apart(
      v_target, format('jsonb_to_record(e->''o'') AS o(%s) WHERE %s', v_record, v_match),
      v_statement, p_changes);
  END;
  IF v_done IS NULL THEN
    RETURN;
  END IF;
  FOR k IN
    SELECT * FROM sch_chameleon.fn_cascading_keys(p_i_id_source, p_table, p_batch, p_delete) x
    WHERE p_delete OR x.v_referenced && p_columns
  LOOP
    PERFORM sch_chameleon.fn_cascade(
      p_i_id_source, p_batch, k.i_id_child, k.v_columns, p_delete AND NOT k.b_null,
      sch_chameleon.fn_renamed(v_done, k.v_referenced, k.v_columns, k.b_null));
  END LOOP;
END $$;

-- Changes of a parent's columns as changes of the columns that refer to them.
CREATE FUNCTION sch_chameleon.fn_renamed(
  p_changes jsonb, p_from text[], p_to text[], p_null boolean)
RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_agg(jsonb_build_object(
    'o', (SELECT jsonb_object_agg(p_to[i], e.value->'o'->p_from[i])
          FROM generate_subscripts(p_to, 1) i),
    'n', (SELECT jsonb_object_agg(p_to[i], CASE WHEN NOT p_null THEN e.value->'n'->p_from[i] END)
          FROM generate_subscripts(p_to, 1) i)))
  FROM jsonb_array_elements(p_changes) e
$$;

-- The 'cascade' lines of one table in one batch.
CREATE FUNCTION sch_chameleon.fn_replay_cascade(
  p_log_table varchar, p_batch bigint, p_table bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
  c record;
BEGIN
  FOR c IN EXECUTE format(
    'SELECT x.columns, x.deletes, jsonb_agg(x.change) AS changes
     FROM (SELECT ARRAY(SELECT jsonb_object_keys(l.jsb_event_before)) AS columns,
                  l.jsb_event_after IS NULL AS deletes,
                  jsonb_build_object(''o'', l.jsb_event_before, ''n'', l.jsb_event_after) AS change
           FROM sch_chameleon.%I l
           WHERE l.i_id_batch = $1 AND l.i_id_table = $2
             AND l.enm_binlog_event = ''cascade'') x
     GROUP BY 1, 2 ORDER BY 2 DESC, 1', p_log_table)
  USING p_batch, p_table
  LOOP
    PERFORM sch_chameleon.fn_cascade(
      (SELECT t.i_id_source FROM sch_chameleon.t_replica_tables t WHERE t.i_id_table = p_table),
      p_batch, p_table, c.columns, c.deletes, c.changes);
  END LOOP;
END $$;
