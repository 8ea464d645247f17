-- Sets an event aside, if there is room. Answers with whether the lease stands, and whether the event is set aside.
--
--   $1, $2, $3, $4  name, build, partition, token
--   $5 … $9  position, type, stream, message, attempts
--   $10  events that are parked in a build at most
with lease as (
    select 1 from {schema}.projection_partitions q
    where q.name = $1 and q.build = $2 and q.partition = $3 and q.token = $4 and q.task = 'handle'
        and q.lease_until > clock_timestamp()
    for update
), parked as (
    insert into {schema}.projection_parked as k (name, build, partition, position, type, stream, message, attempts, parked_at)
    select $1, $2, $3, $5, $6, $7, $8, $9, clock_timestamp() from lease
    where (select count(*) from {schema}.projection_parked x where x.name = $1 and x.build = $2) < $10::int
        or exists (select from {schema}.projection_parked x where x.name = $1 and x.build = $2 and x.position = $5)
    on conflict (name, build, position) do update
    set message = excluded.message, attempts = excluded.attempts, parked_at = excluded.parked_at, replaying = false
    returning 1
)
select exists (select from lease) as stands, exists (select from parked) as parked
