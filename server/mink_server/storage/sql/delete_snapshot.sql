-- Deletes the snapshot of a stream; answers with its version, or no row if there was none.
--
--   $1  the stream's name
delete from {schema}.snapshots p using {schema}.streams s
where s.name = $1 and p.stream_id = s.stream_id
returning p.version
