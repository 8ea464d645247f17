-- Gives up the build beside the live one, with its partitions and parked events.
--
--   $1  name
with given_up as (
    delete from {schema}.projection_builds b using {schema}.projections p
    where p.name = $1 and b.name = p.name and b.build = p.next_build
)
update {schema}.projections set next_build = null where name = $1
