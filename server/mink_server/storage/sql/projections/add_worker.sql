-- A worker has come.
--
--   $1  name of the projection
--   $2  the worker's id
--   $3  its name
--   $4  revision
--   $5  partitions
--   $6  filter, as JSON text; null: all events
--   $7  on_new_revision
--   $8  max_partitions
--   $9  can_clear
--   $10 can_switch
--   $11 seconds for which it counts as connected
insert into {schema}.projection_workers (
    name, worker, worker_name, revision, partitions, filter, on_new_revision, max_partitions, can_clear, can_switch,
    connected_at, seen_at, seen_until
)
values ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, clock_timestamp(), clock_timestamp(),
    clock_timestamp() + make_interval(secs => $11::float8))
