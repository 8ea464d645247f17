-- Projections with their builds and partitions: a row for each partition. `tables.py` adds a lock of the partitions.
--
--   $1  names; null: all
select p.name, p.created_at, p.paused, p.last_token, p.restart_token,
    b.build, b.revision, b.partitions, b.filter, b.start_after, b.phase, b.target, b.rebuild_began_at,
    q.partition, q.checkpoint, q.caught_up, q.events, q.errors, q.rate, q.updated_at, q.token, q.task, q.worker, q.leased_at,
    q.lease_until, q.faulted, q.restart_at,
    q.error_message, q.error_position, q.error_type, q.error_stream, q.error_attempts, q.error_at
from {schema}.projections p
join {schema}.projection_builds b on b.name = p.name
join {schema}.projection_partitions q on q.name = b.name and q.build = b.build
where p.name = any(coalesce($1::text[], array(select x.name from {schema}.projections x)))
order by q.name, q.build, q.partition
