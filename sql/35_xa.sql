-- Prepared XA transactions: put aside, brought back, dropped; always in the transaction of the batch
-- that says so. Called by fn_store_batch, which holds the source's row.

-- Puts the lines of the transaction that ends with p_batch aside: all parts since the last complete
-- batch. Tables that leave the replica leave it now, whatever becomes of the transaction: these
-- lines stay, as lines of p_batch; their number is returned.
CREATE FUNCTION sch_chameleon.fn_xa_prepare(
  p_i_id_source bigint, p_batch bigint, p_log_table varchar, p_xid bytea)
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_first bigint;
  v_stops integer;
BEGIN
  SELECT coalesce(min(p.i_id_batch), p_batch) INTO v_first
  FROM sch_chameleon.t_replica_batch p
  WHERE p.i_id_source = p_i_id_source AND p.b_more
    AND NOT EXISTS (SELECT FROM sch_chameleon.t_replica_batch f
                    WHERE f.i_id_source = p_i_id_source AND NOT f.b_more
                      AND f.i_id_batch > p.i_id_batch);
  INSERT INTO sch_chameleon.t_xa_prepared (i_id_source, b_xid, i_parts)
  VALUES (p_i_id_source, p_xid, p_batch - v_first + 1);
  EXECUTE format(
    'INSERT INTO sch_chameleon.t_xa_lines
     SELECT $1, $2, (l.i_id_batch - $3 + 1)::integer, row_number() OVER (ORDER BY l.ctid),
            l.i_id_table, l.enm_binlog_event, l.jsb_event_before, l.jsb_event_after, l.t_query
     FROM ONLY sch_chameleon.%I l
     WHERE l.i_id_batch BETWEEN $3 AND $4 AND l.enm_binlog_event <> ''stop''', p_log_table)
  USING p_i_id_source, p_xid, v_first, p_batch;
  EXECUTE format(
    'DELETE FROM ONLY sch_chameleon.%I
     WHERE i_id_batch BETWEEN $1 AND $2 AND enm_binlog_event <> ''stop''', p_log_table)
  USING v_first, p_batch;
  EXECUTE format('UPDATE ONLY sch_chameleon.%I SET i_id_batch = $2 WHERE i_id_batch BETWEEN $1 AND $2',
                 p_log_table) USING v_first, p_batch;
  GET DIAGNOSTICS v_stops = ROW_COUNT;
  DELETE FROM sch_chameleon.t_replica_batch
  WHERE i_id_source = p_i_id_source AND i_id_batch >= v_first;
  RETURN v_stops;
END $$;

-- Makes part p_part of a prepared transaction the lines of p_batch; with the last one (NOT p_more)
-- it is prepared no longer. Returns their number.
CREATE FUNCTION sch_chameleon.fn_xa_commit(
  p_i_id_source bigint, p_batch bigint, p_more boolean, p_log_table varchar, p_xid bytea,
  p_part integer)
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_rows integer;
BEGIN
  EXECUTE format(
    'INSERT INTO sch_chameleon.%I
     SELECT $1, l.i_id_table, l.enm_binlog_event, l.jsb_event_before, l.jsb_event_after, l.t_query
     FROM sch_chameleon.t_xa_lines l
     WHERE l.i_id_source = $2 AND l.b_xid = $3 AND l.i_part = $4 ORDER BY l.i_line', p_log_table)
  USING p_batch, p_i_id_source, p_xid, p_part;
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  IF NOT p_more THEN
    IF p_part <> (SELECT i_parts FROM sch_chameleon.t_xa_prepared
                  WHERE i_id_source = p_i_id_source AND b_xid = p_xid) THEN
      RAISE EXCEPTION 'part % is not the last one of the prepared transaction', p_part
        USING ERRCODE = 'CH011';
    END IF;
    DELETE FROM sch_chameleon.t_xa_prepared WHERE i_id_source = p_i_id_source AND b_xid = p_xid;
  END IF;
  RETURN v_rows;
END $$;

-- Returns how many lines the batch has afterwards.
CREATE FUNCTION sch_chameleon.fn_xa_step(
  p_i_id_source bigint, p_batch bigint, p_rows integer, p_more boolean, p_log_table varchar,
  p_kind text, p_xid bytea, p_part integer)
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_kind = 'PREPARE' THEN
    RETURN sch_chameleon.fn_xa_prepare(p_i_id_source, p_batch, p_log_table, p_xid);
  END IF;
  IF NOT EXISTS (SELECT FROM sch_chameleon.t_xa_prepared
                 WHERE i_id_source = p_i_id_source AND b_xid = p_xid) THEN
    RAISE EXCEPTION 'XA transaction % ends, but it is not among the prepared ones', p_xid
      USING ERRCODE = 'CH003';
  END IF;
  IF p_kind = 'COMMIT' THEN
    RETURN sch_chameleon.fn_xa_commit(
      p_i_id_source, p_batch, p_more, p_log_table, p_xid, p_part);
  END IF;
  DELETE FROM sch_chameleon.t_xa_prepared WHERE i_id_source = p_i_id_source AND b_xid = p_xid;
  RETURN p_rows;
END $$;
