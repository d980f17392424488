-- A source's pair of log tables: made, rotated, emptied.

-- Autovacuum is off: a log table is emptied by TRUNCATE; rows of refused batches go the same way.
CREATE FUNCTION sch_chameleon.fn_create_log_tables(p_i_id_source bigint)
RETURNS varchar[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_names varchar[];
  v_name varchar;
BEGIN
  FOR i IN 1..2 LOOP
    v_name := format('t_log_replica_%s_%s', p_i_id_source, i);
    EXECUTE format(
      'CREATE TABLE sch_chameleon.%I () INHERITS (sch_chameleon.t_log_replica)
       WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)', v_name);
    -- Images that stay below the page limit are stored as they come: compressing costs more than it
    -- saves in a table that lives for seconds.
    EXECUTE format(
      'ALTER TABLE sch_chameleon.%I
         ALTER jsb_event_before SET STORAGE EXTERNAL, ALTER jsb_event_after SET STORAGE EXTERNAL',
      v_name);
    -- COPY puts small lines into what earlier pages have left: without an index a batch's lines would
    -- have to be looked for in the whole table.
    EXECUTE format('CREATE INDEX %I ON sch_chameleon.%I (i_id_batch, i_id_table, enm_binlog_event)',
                   v_name || '_lines', v_name);
    v_names := v_names || v_name;
  END LOOP;
  RETURN v_names;
END $$;

CREATE FUNCTION sch_chameleon.fn_drop_log_tables(p_i_id_source bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  FOR i IN 1..2 LOOP
    EXECUTE format('DROP TABLE IF EXISTS sch_chameleon.%I',
                   format('t_log_replica_%s_%s', p_i_id_source, i));
  END LOOP;
END $$;

-- Empties the log table that is not being written once nothing in it is left to replay. True: it
-- was emptied. Waits at most p_lock_timeout for readers of the log, because every writer would wait
-- behind it: 55P03 then, and the caller tries again later. Checked again under the lock: the writer
-- may have switched meanwhile.
CREATE FUNCTION sch_chameleon.fn_truncate_log(
  p_i_id_source bigint, p_lock_timeout text DEFAULT '100ms')
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_other varchar;
BEGIN
  SELECT v_log_table[2] INTO v_other FROM sch_chameleon.t_sources
  WHERE i_id_source = p_i_id_source;
  IF v_other IS NULL
     OR pg_relation_size(format('sch_chameleon.%I', v_other)::regclass) = 0
     OR EXISTS (SELECT FROM sch_chameleon.t_replica_batch b
                WHERE b.i_id_source = p_i_id_source AND NOT b.b_replayed
                  AND b.v_log_table = v_other) THEN
    RETURN false;
  END IF;
  PERFORM set_config('lock_timeout', p_lock_timeout, true);
  EXECUTE format('LOCK TABLE sch_chameleon.%I IN ACCESS EXCLUSIVE MODE', v_other);
  IF EXISTS (SELECT FROM sch_chameleon.t_sources s
             WHERE s.i_id_source = p_i_id_source AND s.v_log_table[1] = v_other)
     OR EXISTS (SELECT FROM sch_chameleon.t_replica_batch b
                WHERE b.i_id_source = p_i_id_source AND NOT b.b_replayed
                  AND b.v_log_table = v_other) THEN
    RETURN false;
  END IF;
  EXECUTE format('TRUNCATE ONLY sch_chameleon.%I', v_other);
  RETURN true;
END $$;

-- Empties a source's whole log: its earlier life is over (init_replica). The caller holds the row
-- of t_sources.
CREATE FUNCTION sch_chameleon.fn_reset_log(p_i_id_source bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  FOR i IN 1..2 LOOP
    EXECUTE format('TRUNCATE ONLY sch_chameleon.%I',
                   format('t_log_replica_%s_%s', p_i_id_source, i));
  END LOOP;
  DELETE FROM sch_chameleon.t_replica_batch WHERE i_id_source = p_i_id_source;
  DELETE FROM sch_chameleon.t_xa_prepared WHERE i_id_source = p_i_id_source;
  DELETE FROM sch_chameleon.t_error_log WHERE i_id_source = p_i_id_source;
  DELETE FROM sch_chameleon.t_discarded_rows WHERE i_id_source = p_i_id_source;
  DELETE FROM sch_chameleon.t_ledger WHERE i_id_source = p_i_id_source;
  UPDATE sch_chameleon.t_sources SET i_log_rows = 0, b_batch_open = false
  WHERE i_id_source = p_i_id_source;
END $$;

-- Throws away the parts of a transaction whose end never came (the worker died in it): the next
-- lease streams it again from the received position, under the same batch numbers.
CREATE FUNCTION sch_chameleon.fn_drop_open_parts(p_i_id_source bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_last bigint;
  v_parts bigint;
BEGIN
  IF NOT (SELECT b_batch_open FROM sch_chameleon.t_sources
          WHERE i_id_source = p_i_id_source FOR UPDATE) THEN
    RETURN 0;
  END IF;
  -- Everything behind the last complete batch belongs to the open transaction.
  SELECT min(i_id_batch) - 1, count(*) INTO v_last, v_parts
  FROM sch_chameleon.t_replica_batch p
  WHERE p.i_id_source = p_i_id_source AND p.b_more
    AND NOT EXISTS (SELECT FROM sch_chameleon.t_replica_batch f
                    WHERE f.i_id_source = p_i_id_source AND NOT f.b_more
                      AND f.i_id_batch > p.i_id_batch);
  IF v_last IS NOT NULL THEN
    FOR i IN 1..2 LOOP
      EXECUTE format('DELETE FROM ONLY sch_chameleon.%I WHERE i_id_batch > $1',
                     format('t_log_replica_%s_%s', p_i_id_source, i)) USING v_last;
    END LOOP;
    DELETE FROM sch_chameleon.t_replica_batch
    WHERE i_id_source = p_i_id_source AND i_id_batch > v_last;
    UPDATE sch_chameleon.t_sources SET i_last_batch = v_last WHERE i_id_source = p_i_id_source;
    PERFORM sch_chameleon.fn_drop_versions(p_i_id_source, v_last + 1);
  END IF;
  UPDATE sch_chameleon.t_sources SET b_batch_open = false WHERE i_id_source = p_i_id_source;
  RETURN v_parts;
END $$;
