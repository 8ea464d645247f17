-- Marks events of a stream as removed; the parameters and the answer are described at remove_v1, in migrations/0003_remove.up.sql.
select outcome, version, stream_id, floor from {schema}.remove_v1($1, $2, $3, $4)
