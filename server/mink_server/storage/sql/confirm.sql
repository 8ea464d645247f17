-- Writes a record that says nothing. Its commit waits for the standbys, and with it comes all that was written before: a replay may
-- be of a commit that was interrupted while it waited, and stands on this server alone. Under the log's lock, as append_v1 is: while
-- no standby answers, one session waits for it, and the others give up.
set local lock_timeout = '10s';
select pg_advisory_xact_lock(1835625067, '{schema}.events'::regclass::oid::integer);
select pg_logical_emit_message(true, 'mink', '')
