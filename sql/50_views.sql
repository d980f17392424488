-- For people and their monitoring.

CREATE VIEW sch_chameleon.v_version AS
  SELECT t_version FROM sch_chameleon.t_catalogue ORDER BY ts_installed DESC LIMIT 1;

-- As in the manuals: the time of the last thing received.
CREATE VIEW sch_chameleon.t_last_received AS
  SELECT i_id_source, ts_last_received FROM sch_chameleon.t_sources;

-- The log, with names.
CREATE VIEW sch_chameleon.v_log_replica AS
  SELECT t.i_id_source, l.i_id_batch, b.b_replayed, b.ts_source_commit, b.t_binlog_name,
         b.i_binlog_position, t.v_schema_name, t.v_table_name, l.enm_binlog_event,
         l.jsb_event_before, l.jsb_event_after, l.t_query
  FROM sch_chameleon.t_log_replica l
  LEFT JOIN sch_chameleon.t_replica_tables t USING (i_id_table)
  LEFT JOIN sch_chameleon.t_replica_batch b
    ON b.i_id_source = t.i_id_source AND b.i_id_batch = l.i_id_batch;

-- Where each source stands. Seconds; lag is zero when the source had nothing newer.
CREATE VIEW sch_chameleon.v_replica_status AS
  SELECT s.i_id_source, s.t_source, s.enm_status,
         CASE WHEN s.ts_last_received IS NULL THEN NULL
              WHEN s.b_idle AND s.ts_last_received > clock_timestamp() - interval '30 seconds' THEN 0
              WHEN s.b_idle THEN extract(epoch FROM clock_timestamp() - s.ts_last_received)
              ELSE extract(epoch FROM clock_timestamp() - s.ts_source_commit)
         END::double precision AS f_read_lag,
         extract(epoch FROM clock_timestamp() - p.ts_oldest)::double precision AS f_pending_lag,
         coalesce(p.i_batches, 0) AS i_batches_pending,
         coalesce(p.i_changes, 0) AS i_changes_pending,
         s.t_binlog_name AS t_received_binlog_name,
         s.i_binlog_position AS i_received_binlog_position, s.ts_last_received,
         r.t_binlog_name AS t_replayed_binlog_name,
         r.i_binlog_position AS i_replayed_binlog_position, r.ts_last_replayed
  FROM sch_chameleon.t_sources s
  LEFT JOIN sch_chameleon.t_last_replayed r USING (i_id_source)
  LEFT JOIN LATERAL (
    SELECT count(*) AS i_batches, sum(b.i_changes)::bigint AS i_changes,
           min(coalesce(b.ts_source_commit, b.ts_created)) AS ts_oldest
    FROM sch_chameleon.t_replica_batch b
    WHERE b.i_id_source = s.i_id_source AND NOT b.b_replayed) p ON true;
