-- A parked event was tried again. Answers with whether the lease stands.
--
--   $1, $2, $3, $4  name, build, partition, token
--   $5  position
--   $6  what went wrong again; null: it is handled
--   $7  attempts
with lease as (
    select 1 from {schema}.projection_partitions q
    where q.name = $1 and q.build = $2 and q.partition = $3 and q.token = $4 and q.task = 'handle'
        and q.lease_until > clock_timestamp()
    for update
), handled as (
    delete from {schema}.projection_parked k
    where k.name = $1 and k.build = $2 and k.partition = $3 and k.position = $5 and $6::text is null and exists (select from lease)
    returning k.name, k.build, k.position
), told as (
    insert into {schema}.projection_replayed (name, build, position)
    select name, build, position from handled
    on conflict (name, build, position) do update set handled_at = excluded.handled_at
), failed as (
    update {schema}.projection_parked k
    set message = $6, attempts = least(k.attempts + $7::bigint, 2147483647), replaying = false
    where k.name = $1 and k.build = $2 and k.partition = $3 and k.position = $5 and $6::text is not null
        and exists (select from lease)
)
select exists (select from lease) as stands
