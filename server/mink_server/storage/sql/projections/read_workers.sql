-- The database's time, and the workers of projections, oldest first. One row with nothing but the time if there are none.
--
--   $1  names of projections; null: all
select clock_timestamp() as now, w.name, w.worker, w.worker_name, w.revision, w.partitions, w.filter, w.on_new_revision,
    w.max_partitions, w.leaving, w.can_clear, w.can_switch, w.connected_at, w.seen_at, w.seen_until
from (values (1)) as one
left join {schema}.projection_workers w
    on w.name = any(coalesce($1::text[], array(select x.name from {schema}.projections x)))
order by w.name, w.connected_at, w.worker
