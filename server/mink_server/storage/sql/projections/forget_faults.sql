-- Forgets what went wrong in a projection.
--
--   $1  name
update {schema}.projection_partitions q
set faulted = false, restart_at = null, error_message = null, error_position = null, error_type = null, error_stream = null,
    error_attempts = null, error_at = null
where q.name = $1 and (q.faulted or q.error_at is not null)
