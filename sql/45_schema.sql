-- Helpers that logged statements call: what depends on the target's state is decided when a schema
-- change is replayed, not when it was received.

-- The first of p_names that no relation of the schema has. CH015: none.
CREATE FUNCTION sch_chameleon.fn_free_name(p_schema text, p_names text[])
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_name text;
BEGIN
  SELECT n.name INTO v_name FROM unnest(p_names) WITH ORDINALITY AS n(name, i)
  WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
                    WHERE s.nspname = p_schema AND c.relname = n.name)
  ORDER BY n.i LIMIT 1;
  IF v_name IS NULL THEN
    RAISE EXCEPTION 'schema % has relations named % already', p_schema,
      array_to_string(p_names, ', ') USING ERRCODE = 'CH015';
  END IF;
  RETURN v_name;
END $$;

-- Executes p_statement with an index name (%1$I) that is free.
CREATE FUNCTION sch_chameleon.fn_create_index(p_schema text, p_names text[], p_statement text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format(p_statement, sch_chameleon.fn_free_name(p_schema, p_names));
END $$;

-- The table's index that has the first possible of p_names; nothing when there is none.
CREATE FUNCTION sch_chameleon.fn_find_index(
  p_schema text, p_table text, p_names text[], OUT t_index text, OUT t_constraint text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT i.relname, k.conname
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace s ON s.oid = t.relnamespace
  LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = t.oid
  WHERE s.nspname = p_schema AND t.relname = p_table AND i.relname = ANY (p_names)
  ORDER BY array_position(p_names, i.relname::text) LIMIT 1
$$;

-- An index that users have dropped is not missed.
CREATE FUNCTION sch_chameleon.fn_drop_index(p_schema text, p_table text, p_names text[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v record;
BEGIN
  SELECT f.* INTO v FROM sch_chameleon.fn_find_index(p_schema, p_table, p_names) f;
  IF v.t_constraint IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT %I', p_schema, p_table, v.t_constraint);
  ELSIF v.t_index IS NOT NULL THEN
    EXECUTE format('DROP INDEX %I.%I', p_schema, v.t_index);
  END IF;
END $$;

CREATE FUNCTION sch_chameleon.fn_rename_index(
  p_schema text, p_table text, p_from text[], p_to text[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v record;
BEGIN
  SELECT f.* INTO v FROM sch_chameleon.fn_find_index(p_schema, p_table, p_from) f;
  IF v.t_index IS NOT NULL AND v.t_index <> p_to[1] THEN
    EXECUTE format('ALTER INDEX %I.%I RENAME TO %I', p_schema, v.t_index,
                   sch_chameleon.fn_free_name(p_schema, p_to));
  END IF;
END $$;

-- Renames a table and, by p_indexes ([{from: [names], to: [names]}]), its indexes, also into another
-- schema. By intermediate names: neither may collide on the way.
CREATE FUNCTION sch_chameleon.fn_move_table(
  p_schema text, p_table text, p_to_schema text, p_to_table text, p_indexes json)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_table text;
  v_names json;
  x record;
BEGIN
  -- Every index with the names that it may have afterwards: those planned, or its own.
  SELECT json_agg(json_build_object('way', '_chameleon_' || i.oid, 'name', i.relname, 'to', coalesce(
           (SELECT p->'to' FROM json_array_elements(p_indexes) p
            WHERE i.relname IN (SELECT json_array_elements_text(p->'from')) LIMIT 1),
           json_build_array(i.relname))) ORDER BY i.oid)
  INTO v_names
  FROM pg_index n JOIN pg_class i ON i.oid = n.indexrelid
  WHERE n.indrelid = format('%I.%I', p_schema, p_table)::regclass;
  v_table := '_chameleon_' || format('%I.%I', p_schema, p_table)::regclass::oid;
  EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', p_schema, p_table, v_table);
  FOR x IN SELECT n->>'way' AS way, n->>'name' AS name FROM json_array_elements(v_names) n LOOP
    EXECUTE format('ALTER INDEX %I.%I RENAME TO %I', p_schema, x.name, x.way);
  END LOOP;
  IF p_schema <> p_to_schema THEN
    EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', p_schema, v_table, p_to_schema);
  END IF;
  EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', p_to_schema, v_table, p_to_table);
  FOR x IN
    SELECT n->>'way' AS way, ARRAY(SELECT json_array_elements_text(n->'to')) AS names
    FROM json_array_elements(v_names) n
  LOOP
    EXECUTE format('ALTER INDEX %I.%I RENAME TO %I', p_to_schema, x.way,
                   sch_chameleon.fn_free_name(p_to_schema, x.names));
  END LOOP;
END $$;

-- Drops a schema that has become empty.
CREATE FUNCTION sch_chameleon.fn_leave_schema(p_schema text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('DROP SCHEMA IF EXISTS %I', p_schema);
EXCEPTION WHEN dependent_objects_still_exist THEN
  NULL;
END $$;

-- CH014 unless every row meets p_condition: the source may have changed the others on the way.
CREATE FUNCTION sch_chameleon.fn_require(
  p_schema text, p_table text, p_condition text, p_message text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_rows bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %I.%I WHERE NOT (', p_schema, p_table) || p_condition || ')'
  INTO v_rows;
  IF v_rows > 0 THEN
    RAISE EXCEPTION '% row(s): %', v_rows, p_message USING ERRCODE = 'CH014';
  END IF;
END $$;

-- SELECT for those of the roles that exist.
CREATE FUNCTION sch_chameleon.fn_grant_select(p_schema text, p_table text, p_roles text[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_role text;
BEGIN
  FOR v_role IN SELECT rolname FROM pg_roles WHERE rolname = ANY (p_roles) LOOP
    EXECUTE format('GRANT SELECT ON %I.%I TO %I', p_schema, p_table, v_role);
  END LOOP;
END $$;

CREATE FUNCTION sch_chameleon.fn_set_detach_notes(
  p_i_id_source bigint, p_table bigint, p_kinds text[], p_statements text[])
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM sch_chameleon.t_detach_notes
  WHERE i_id_source = p_i_id_source AND i_id_table = p_table;
  INSERT INTO sch_chameleon.t_detach_notes (i_id_source, i_id_table, t_kind, t_statement)
  SELECT p_i_id_source, p_table, n.kind, n.statement
  FROM unnest(p_kinds, p_statements) AS n(kind, statement) ON CONFLICT DO NOTHING;
$$;

-- The end of a table's life, after its DROP TABLE.
CREATE FUNCTION sch_chameleon.fn_forget_table(p_i_id_source bigint, p_table bigint)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM sch_chameleon.t_detach_notes
  WHERE i_id_source = p_i_id_source AND i_id_table = p_table;
  DELETE FROM sch_chameleon.t_replica_tables
  WHERE i_id_source = p_i_id_source AND i_id_table = p_table;
$$;

-- Makes room for a table that takes the name of one that had left the replica and is now gone from
-- the source: its copy is dropped with its enum types.
CREATE FUNCTION sch_chameleon.fn_drop_leftover(p_i_id_source bigint, p_schema text, p_table text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_id bigint;
  v_type text;
  v_types text[];
BEGIN
  FOR v_id IN
    SELECT i_id_table FROM sch_chameleon.t_replica_tables
    WHERE i_id_source = p_i_id_source AND v_schema_name = p_schema AND v_table_name = p_table
      AND b_dropped AND NOT b_replica_enabled
  LOOP
    v_types := ARRAY(
      SELECT DISTINCT format('%I.%I', n.nspname, y.typname)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_type y ON y.oid = a.atttypid AND y.typtype = 'e' AND y.typnamespace = n.oid
      WHERE n.nspname = p_schema AND c.relname = p_table);
    EXECUTE format('DROP TABLE IF EXISTS %I.%I', p_schema, p_table);
    FOREACH v_type IN ARRAY v_types LOOP
      EXECUTE 'DROP TYPE ' || v_type;
    END LOOP;
    PERFORM sch_chameleon.fn_forget_table(p_i_id_source, v_id);
  END LOOP;
END $$;

-- The source has dropped a table that is not followed: its copy goes, too. One that users' objects
-- need stays, by name in the error log, until its name is taken again.
CREATE FUNCTION sch_chameleon.fn_drop_left(p_i_id_source bigint, p_table bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t sch_chameleon.t_replica_tables;
  v_enums text[];
  v_enum text;
  v_detail text;
BEGIN
  SELECT * INTO t FROM sch_chameleon.t_replica_tables
  WHERE i_id_source = p_i_id_source AND i_id_table = p_table;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  v_enums := sch_chameleon.fn_enums_of(t.v_schema_name, t.v_table_name);
  EXECUTE format('DROP TABLE IF EXISTS %I.%I', t.v_schema_name, t.v_table_name);
  FOREACH v_enum IN ARRAY v_enums LOOP
    PERFORM sch_chameleon.fn_drop_unused_enum(t.v_schema_name, v_enum);
  END LOOP;
  PERFORM sch_chameleon.fn_forget_table(p_i_id_source, p_table);
EXCEPTION WHEN dependent_objects_still_exist THEN
  GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
  INSERT INTO sch_chameleon.t_error_log (
    i_id_batch, i_id_source, v_table_name, v_schema_name, t_table_pkey, t_binlog_name,
    i_binlog_position, t_sql, t_error_message, t_detail)
  VALUES (0, p_i_id_source, t.v_table_name, t.v_schema_name, '', '', 0, '',
          'the source has dropped it; its copy stays because other objects need it', v_detail);
END $$;
