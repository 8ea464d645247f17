-- Partitions, which the caller has locked, as they are now. Their errors stay.
--
--   $1, $2, $3  name, build, partition
--   $4 … $16    the columns, in the order of the table
update {schema}.projection_partitions q
set checkpoint = g.checkpoint, caught_up = g.caught_up, events = g.events, errors = g.errors, rate = g.rate,
    updated_at = g.updated_at, token = g.token, task = g.task, worker = g.worker, leased_at = g.leased_at,
    lease_until = g.lease_until, faulted = g.faulted, restart_at = g.restart_at
from unnest(
    $1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::boolean[], $6::bigint[], $7::bigint[], $8::float8[], $9::timestamptz[],
    $10::bigint[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::boolean[], $16::timestamptz[]
) as g (name, build, partition, checkpoint, caught_up, events, errors, rate, updated_at, token, task, worker, leased_at, lease_until,
    faulted, restart_at)
where q.name = g.name and q.build = g.build and q.partition = g.partition
