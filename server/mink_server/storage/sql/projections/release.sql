-- Ends a lease, and tells other servers. Answers with a row if it stood.
--
--   $1, $2, $3, $4  name, build, partition, token
--   $5  checkpoint; null: as it is
--   $6  events handled since the last time
--   $7  errors since the last time
--   $8  this server's id
with released as (
    update {schema}.projection_partitions q
    set checkpoint = coalesce($5, q.checkpoint), events = q.events + $6, errors = q.errors + $7, rate = 0, caught_up = false,
        updated_at = case when q.checkpoint = coalesce($5, q.checkpoint) then q.updated_at else clock_timestamp() end,
        worker = '', leased_at = null, lease_until = null
    where q.name = $1 and q.build = $2 and q.partition = $3 and q.token = $4 and q.lease_until > clock_timestamp()
    returning q.name
)
select pg_notify('{projections}', $8::text || ' ' || r.name) from released r
