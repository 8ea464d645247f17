-- A worker begins after a position. What was parked after it will come again. Answers with a row if the lease stands.
--
--   $1, $2, $3, $4  name, build, partition, token
--   $5  the position
with started as (
    update {schema}.projection_partitions q
    set checkpoint = $5, caught_up = false, updated_at = case when q.checkpoint = $5 then q.updated_at else clock_timestamp() end
    where q.name = $1 and q.build = $2 and q.partition = $3 and q.token = $4 and q.task = 'handle'
        and q.lease_until > clock_timestamp()
    returning q.name
), forgotten as (
    delete from {schema}.projection_parked k
    where k.name = $1 and k.build = $2 and k.partition = $3 and k.position > $5 and exists (select from started)
)
select s.name from started s
