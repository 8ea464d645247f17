-- Ends a lease because its worker cannot go on, and tells other servers. Answers with a row if it stood.
--
--   $1, $2, $3, $4  name, build, partition, token
--   $5  seconds until it is given again; null: only when an operator says so
--   $6 … $10  what went wrong: message, position, type, stream, attempts
--   $11  this server's id
with faulted as (
    update {schema}.projection_partitions q
    set faulted = true, restart_at = clock_timestamp() + make_interval(secs => $5::float8),
        error_message = $6, error_position = $7, error_type = $8, error_stream = $9, error_attempts = $10,
        error_at = clock_timestamp(), rate = 0, caught_up = false, worker = '', leased_at = null, lease_until = null
    where q.name = $1 and q.build = $2 and q.partition = $3 and q.token = $4 and q.lease_until > clock_timestamp()
    returning q.name
)
select pg_notify('{projections}', $11::text || ' ' || f.name) from faulted f
