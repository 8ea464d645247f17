-- Of parked events of the live build, those that are still there, and whether they wait for being tried again.
--
--   $1  name
--   $2  positions
select x.position, x.replaying
from {schema}.projections p
join {schema}.projection_parked x on x.name = p.name and x.build = p.live_build
where p.name = $1 and x.position = any($2::bigint[])
