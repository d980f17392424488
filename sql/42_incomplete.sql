-- Updates that do not hold the whole row: jsb_event_before finds it, jsb_event_after has the columns
-- that change (the key too, when it does). They stay sets: a column that a line does not have keeps
-- its value.

-- %1$I is the log table, the parameters are those of fn_replay_statements. t_keep: the new rows into
-- the temporary table t_incomplete, of t_create; t_insert: from there.
CREATE FUNCTION sch_chameleon.fn_incomplete_statements(
  p_plan json, OUT t_update text, OUT t_create text, OUT t_keep text, OUT t_insert text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_target text := format('%I.%I', p_plan->>'target_schema', p_plan->>'target_table');
  v_names text;
  v_values text;
  v_set text;
  v_from text;
  v_where text;
BEGIN
  SELECT string_agg(c.name, ', ' ORDER BY c.i), string_agg(c.value, ', ' ORDER BY c.i),
         string_agg(c.name || ' = ' || c.value, ', ' ORDER BY c.i),
         ' CROSS JOIN LATERAL jsonb_to_record(l.jsb_event_after) AS n('
           || string_agg(c.name || ' ' || c.type, ', ' ORDER BY c.i)
           || ') CROSS JOIN LATERAL jsonb_to_record(l.jsb_event_before) AS o('
           || string_agg(c.name || ' ' || c.type, ', ' ORDER BY c.i) FILTER (WHERE c.key) || ')',
         string_agg('t.' || c.name || ' = o.' || c.name, ' AND ' ORDER BY c.i) FILTER (WHERE c.key)
  INTO v_names, v_values, v_set, v_from, v_where
  FROM (SELECT x.i, quote_ident(x.c->>'target_name') AS name,
               coalesce((x.c->>'is_key')::boolean, false) AS key,
               format('CASE WHEN l.jsb_event_after ? %L THEN n.%I%s ELSE t.%I END',
                      x.c->>'target_name', x.c->>'target_name',
                      CASE WHEN sch_chameleon.fn_is_document(x.c)
                           THEN '::' || (x.c->>'target_type') ELSE '' END,
                      x.c->>'target_name') AS value,
               CASE WHEN sch_chameleon.fn_is_document(x.c) THEN 'text'
                    ELSE x.c->>'target_type' END AS type
        FROM json_array_elements(p_plan->'columns') WITH ORDINALITY AS x(c, i)
        WHERE NOT coalesce((x.c->>'omitted')::boolean, false)) c;
  v_target := replace(v_target, '%', '%%');
  v_names := replace(v_names, '%', '%%');
  v_from := replace(v_from, '%', '%%');
  v_where := ' WHERE l.i_id_batch = $1 AND l.i_id_table = ' || (p_plan->>'table_id')::bigint
    || ' AND (l.jsb_event_before IS NOT NULL) = $2 AND ($3 IS NULL OR l.ctid = $3)'
    || ' AND l.enm_binlog_event = ''update'' AND ' || replace(v_where, '%', '%%');
  t_update := 'UPDATE ' || v_target || ' t SET ' || replace(v_set, '%', '%%')
    || ' FROM sch_chameleon.%1$I l' || v_from || v_where;
  t_create := 'CREATE TEMP TABLE t_incomplete ON COMMIT DROP AS SELECT ' || v_names || ' FROM '
    || v_target || ' WITH NO DATA';
  t_keep := 'INSERT INTO pg_temp.t_incomplete SELECT ' || replace(v_values, '%', '%%') || ' FROM '
    || v_target || ' t CROSS JOIN sch_chameleon.%1$I l' || v_from || v_where;
  t_insert := 'INSERT INTO ' || v_target || ' (' || v_names
    || ') SELECT * FROM pg_temp.t_incomplete';
END $$;

-- The way around unique values that the rows exchange, in two steps like that of whole rows: here
-- the old rows go, and what they become is kept.
CREATE FUNCTION sch_chameleon.fn_delete_incomplete(
  p_log_table varchar, p_batch bigint, p_version sch_chameleon.t_table_version,
  p_range sch_chameleon.ty_log_range)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_statements record;
BEGIN
  v_statements := sch_chameleon.fn_incomplete_statements(p_version.jsn_plan);
  DROP TABLE IF EXISTS pg_temp.t_incomplete;
  EXECUTE format(v_statements.t_create);
  PERFORM sch_chameleon.fn_replay_statement(v_statements.t_keep, p_log_table, p_batch, p_range);
  PERFORM sch_chameleon.fn_replay_statement(
    p_version.t_delete_updated, p_log_table, p_batch, p_range);
END $$;

CREATE FUNCTION sch_chameleon.fn_insert_incomplete(p_version sch_chameleon.t_table_version)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format((sch_chameleon.fn_incomplete_statements(p_version.jsn_plan)).t_insert);
  DROP TABLE pg_temp.t_incomplete;
END $$;
