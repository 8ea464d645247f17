-- Parked events that are to be tried again.
--
--   $1, $2, $3  name, build, partition
--   $4          events of each at most
select g.name, g.build, g.partition, k.position
from unnest($1::text[], $2::bigint[], $3::int[]) as g (name, build, partition)
cross join lateral (
    select x.position from {schema}.projection_parked x
    where x.name = g.name and x.build = g.build and x.partition = g.partition and x.replaying
    order by x.position
    limit $4
) as k
