-- Saves progress; answers with the tokens of the leases that still stand, and their projections.
--
--   $1, $2, $3, $4  name, build, partition, token
--   $5  checkpoint
--   $6  events handled since the last time
--   $7  errors since the last time
--   $8  events handled a second
--   $9  whether everything that the log had is handled
with standing as (
    -- In the order in which a round locks them.
    select g.*
    from unnest(
        $1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::float8[], $9::boolean[]
    ) as g (name, build, partition, token, checkpoint, events, errors, rate, caught_up)
    join {schema}.projection_partitions q
        on q.name = g.name and q.build = g.build and q.partition = g.partition and q.token = g.token
    where q.lease_until > clock_timestamp()
    order by q.name, q.build, q.partition
    for update of q
)
update {schema}.projection_partitions q
set checkpoint = s.checkpoint, events = q.events + s.events, errors = q.errors + s.errors, rate = s.rate, caught_up = s.caught_up,
    updated_at = case when q.checkpoint = s.checkpoint then q.updated_at else clock_timestamp() end
from standing s
where q.name = s.name and q.build = s.build and q.partition = s.partition and q.token = s.token
returning q.name, q.token
