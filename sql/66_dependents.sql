-- What users have built on tables that a copy replaces: saved before the swap, made again behind it
-- in the same transaction, or named. Works on temporary tables of that transaction.

-- GRANTs that give a relation, its columns or a function its privileges again. p_kind: TABLE,
-- FUNCTION.
CREATE FUNCTION sch_chameleon.fn_grants(p_kind text, p_name text, p_acl aclitem[], p_columns text)
RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(format('GRANT %s%s ON %s %s TO %s%s', a.privilege_type, p_columns,
      p_kind, p_name, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
      CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    ORDER BY a.grantee, a.privilege_type), '{}')
  FROM aclexplode(p_acl) a WHERE a.grantee <> a.grantor
$$;

CREATE FUNCTION sch_chameleon.fn_grants_of(p_relation oid)
RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT sch_chameleon.fn_grants('TABLE', format('%I.%I', n.nspname, c.relname), c.relacl, '')
    || coalesce((SELECT array_agg(g.statement)
                 FROM pg_attribute a, unnest(sch_chameleon.fn_grants(
                   'TABLE', format('%I.%I', n.nspname, c.relname), a.attacl,
                   format(' (%I)', a.attname))) AS g(statement)
                 WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped), '{}')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = p_relation
$$;

-- Users' triggers of a relation.
CREATE FUNCTION sch_chameleon.fn_triggers_of(p_relation oid)
RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(pg_get_triggerdef(t.oid) ORDER BY t.tgname), '{}')
  FROM pg_trigger t WHERE t.tgrelid = p_relation AND NOT t.tgisinternal
$$;

-- Statements that make a view again.
CREATE FUNCTION sch_chameleon.fn_view_statements(p_view oid)
RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ARRAY[
      format('CREATE %s %I.%I%s AS %s', k.kind, n.nspname, c.relname,
             coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', ''),
             rtrim(pg_get_viewdef(c.oid), ';')),
      format('ALTER %s %I.%I OWNER TO %s', k.kind, n.nspname, c.relname, c.relowner::regrole)]
    || coalesce((SELECT array_agg(pg_get_indexdef(i.indexrelid)) FROM pg_index i
                 WHERE i.indrelid = c.oid), '{}')
    || sch_chameleon.fn_triggers_of(c.oid) || sch_chameleon.fn_grants_of(c.oid)
    || coalesce((SELECT array_agg(format('COMMENT ON %s %I.%I IS %L', k.kind, n.nspname, c.relname,
                                         d.description))
                 FROM pg_description d
                 WHERE d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0),
                '{}')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
       LATERAL (SELECT CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END) k(kind)
  WHERE c.oid = p_view
$$;

-- Views, also on views, that show any of the relations.
CREATE FUNCTION sch_chameleon.fn_views_on(p_relations oid[])
RETURNS SETOF oid LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE v(oid) AS (
    SELECT unnest(p_relations)
    UNION
    SELECT r.ev_class
    FROM v JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid
                           AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid)
  SELECT v.oid FROM v JOIN pg_class c USING (oid) WHERE c.relkind IN ('v', 'm')
$$;

-- Saves what hangs on the tables: p_tables [[schema, table]], or on everything in p_schemas, which
-- go as a whole. A line each: "view s.v", "foreign key c of s.t", "function s.f(integer)".
CREATE FUNCTION sch_chameleon.fn_save_dependents(p_schemas text[], p_tables text[])
RETURNS SETOF text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_gone oid[];   -- relations that go
  v_views oid[];
  v_spaces oid[];
BEGIN
  CREATE TEMP TABLE pg_temp.chameleon_saved (
    i bigint GENERATED ALWAYS AS IDENTITY, t_name text, t_statements text[],
    b_lost boolean DEFAULT false, b_done boolean DEFAULT false, t_error text) ON COMMIT DROP;
  SELECT coalesce(array_agg(n.oid), '{}') INTO v_spaces
  FROM pg_namespace n WHERE n.nspname = ANY (p_schemas);
  SELECT coalesce(array_agg(c.oid), '{}') INTO v_gone
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE (c.relnamespace = ANY (v_spaces) AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))
     OR EXISTS (SELECT FROM generate_subscripts(p_tables, 1) i
                WHERE n.nspname = p_tables[i][1] AND c.relname = p_tables[i][2]
                  AND c.relkind IN ('r', 'p', 'f'));
  SELECT coalesce(array_agg(v), '{}') INTO v_views FROM sch_chameleon.fn_views_on(v_gone) v;
  -- What schemas and tables may do for whom, and their triggers.
  INSERT INTO pg_temp.chameleon_saved (t_name, t_statements)
  SELECT 'privileges of schema ' || n.nspname, g.statements
  FROM pg_namespace n, LATERAL (SELECT sch_chameleon.fn_grants(
         'SCHEMA', quote_ident(n.nspname), n.nspacl, '')) g(statements)
  WHERE n.oid = ANY (v_spaces) AND g.statements <> '{}';
  INSERT INTO pg_temp.chameleon_saved (t_name, t_statements)
  SELECT 'privileges of ' || g.oid::regclass, g.statements
  FROM (SELECT t.oid, sch_chameleon.fn_grants_of(t.oid) AS statements
        FROM unnest(v_gone) t(oid) WHERE t.oid <> ALL (v_views)) g
  WHERE g.statements <> '{}';
  INSERT INTO pg_temp.chameleon_saved (t_name, t_statements)
  SELECT format('trigger %I of %s', t.tgname, t.tgrelid::regclass), ARRAY[pg_get_triggerdef(t.oid)]
  FROM pg_trigger t
  WHERE t.tgrelid = ANY (v_gone) AND t.tgrelid <> ALL (v_views) AND NOT t.tgisinternal;
  INSERT INTO pg_temp.chameleon_saved (t_name, t_statements)
  SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || p.oid::regprocedure,
         ARRAY[pg_get_functiondef(p.oid),
               format('ALTER ROUTINE %s OWNER TO %s', p.oid::regprocedure, p.proowner::regrole)]
           || sch_chameleon.fn_grants('ROUTINE', p.oid::regprocedure::text, p.proacl, '')
  FROM pg_proc p
  WHERE p.prokind IN ('f', 'p')
    AND (p.pronamespace = ANY (v_spaces)
         OR EXISTS (SELECT FROM pg_depend d JOIN pg_class c ON c.oid = ANY (v_gone || v_views)
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                      AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)
                        OR (d.refclassid = 'pg_type'::regclass AND d.refobjid = c.reltype))));
  INSERT INTO pg_temp.chameleon_saved (t_name, t_statements)
  SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || c.oid::regclass,
         sch_chameleon.fn_view_statements(c.oid)
  FROM pg_class c WHERE c.oid = ANY (v_views) ORDER BY c.oid;
  INSERT INTO pg_temp.chameleon_saved (t_name, t_statements)
  SELECT format('foreign key %I of %s', k.conname, k.conrelid::regclass),
         ARRAY[format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname,
                      pg_get_constraintdef(k.oid))]
  FROM pg_constraint k
  WHERE k.contype = 'f' AND k.confrelid = ANY (v_gone) AND k.conrelid <> ALL (v_gone)
    AND k.conparentid = 0;
  PERFORM sch_chameleon.fn_save_lost(v_spaces, v_gone, p_tables);
  RETURN QUERY SELECT s.t_name FROM pg_temp.chameleon_saved s
               WHERE s.b_lost OR s.t_name NOT LIKE 'privileges %' ORDER BY s.i;
END $$;

-- What cannot be made again by a statement.
CREATE FUNCTION sch_chameleon.fn_save_lost(p_spaces oid[], p_gone oid[], p_tables text[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO pg_temp.chameleon_saved (t_name, b_lost)
  -- Relations in a schema that are no copies of the source's.
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || c.oid::regclass, true
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relnamespace = ANY (p_spaces) AND c.relkind IN ('r', 'p', 'f', 'S')
    AND NOT EXISTS (SELECT FROM sch_chameleon.t_replica_tables t
                    WHERE t.v_schema_name = n.nspname AND t.v_table_name = c.relname)
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
    AND NOT EXISTS (SELECT FROM generate_subscripts(p_tables, 1) i
                    WHERE p_tables[i][1] = n.nspname AND p_tables[i][2] = c.relname)
  UNION ALL
  SELECT 'type ' || t.oid::regtype, true
  FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
  WHERE t.typnamespace = ANY (p_spaces)
    AND (t.typtype IN ('d', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')
         OR (t.typtype = 'e' AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.atttypid = t.oid)))
  UNION ALL
  SELECT format('default privileges of %s in %I', d.defaclrole::regrole, n.nspname), true
  FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace
  WHERE d.defaclnamespace = ANY (p_spaces)
  UNION ALL
  SELECT format('rule %I of %s', r.rulename, r.ev_class::regclass), true
  FROM pg_rewrite r WHERE r.ev_class = ANY (p_gone) AND r.rulename <> '_RETURN'
  UNION ALL
  SELECT format('policy %I of %s', p.polname, p.polrelid::regclass), true
  FROM pg_policy p WHERE p.polrelid = ANY (p_gone)
  UNION ALL
  SELECT format('foreign key %I of %s', k.conname, k.conrelid::regclass), true
  FROM pg_constraint k
  WHERE k.contype = 'f' AND k.conrelid = ANY (p_gone) AND k.conparentid = 0
  UNION ALL
  SELECT format('%s in publication %I', r.prrelid::regclass, p.pubname), true
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
  WHERE r.prrelid = ANY (p_gone);
END $$;

-- Makes again what was saved, in rounds: one thing may need another. A line for each that was not:
-- "view s.v was dropped: column x does not exist".
CREATE FUNCTION sch_chameleon.fn_restore_dependents()
RETURNS SETOF text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s record;
  v_statement text;
  v_again boolean := true;
BEGIN
  WHILE v_again LOOP
    v_again := false;
    FOR s IN SELECT * FROM pg_temp.chameleon_saved WHERE NOT b_lost AND NOT b_done ORDER BY i LOOP
      BEGIN
        FOREACH v_statement IN ARRAY s.t_statements LOOP
          EXECUTE v_statement;
        END LOOP;
        UPDATE pg_temp.chameleon_saved SET b_done = true, t_error = NULL WHERE i = s.i;
        v_again := true;
      EXCEPTION
        WHEN foreign_key_violation THEN
          EXECUTE v_statement || ' NOT VALID';
          UPDATE pg_temp.chameleon_saved SET b_done = true, t_error = 'made again NOT VALID: '
            || SQLERRM WHERE i = s.i;
        WHEN OTHERS THEN
          UPDATE pg_temp.chameleon_saved SET t_error = SQLERRM WHERE i = s.i;
      END;
    END LOOP;
  END LOOP;
  RETURN QUERY
  SELECT CASE WHEN x.b_lost THEN x.t_name || ' was dropped'
              WHEN x.b_done THEN x.t_name || ' was ' || x.t_error
              ELSE x.t_name || ' was dropped: ' || x.t_error END
  FROM pg_temp.chameleon_saved x WHERE x.b_lost OR x.t_error IS NOT NULL ORDER BY x.i;
END $$;
