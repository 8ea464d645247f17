-- The read model of a build is to be cleared. What its workers had in hand stays theirs until they have given it back.
--
--   $1, $2  name, build
--   $3  revision
--   $4  partitions that it will have
--   $5  filter, as JSON text; null: all events
with build as (
    update {schema}.projection_builds b
    set revision = $3, partitions = $4, filter = $5::jsonb, phase = 'clearing', target = null, rebuild_began_at = clock_timestamp()
    where b.name = $1 and b.build = $2
)
update {schema}.projections p set restart_token = p.last_token where p.name = $1
