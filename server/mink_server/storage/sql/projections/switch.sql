-- The build beside the live one becomes the live one; that one goes, with its partitions and parked events.
--
--   $1  name
with gone as (
    delete from {schema}.projection_builds b using {schema}.projections p
    where p.name = $1 and b.name = p.name and b.build = p.live_build
), live as (
    update {schema}.projection_builds b set phase = 'following', target = null, rebuild_began_at = null
    from {schema}.projections p
    where p.name = $1 and b.name = p.name and b.build = p.next_build
)
update {schema}.projections set live_build = next_build, next_build = null where name = $1
