-- Of events that were parked, how many were handled when they were tried again.
--
--   $1  name
--   $2  positions
select count(distinct r.position) from {schema}.projection_replayed r where r.name = $1 and r.position = any($2::bigint[])
