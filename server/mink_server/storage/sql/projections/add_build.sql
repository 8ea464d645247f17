-- Begins a build beside the live one. Its number is greater than that of every build before.
--
--   $1  name
--   $2  revision
--   $3  partitions
--   $4  filter, as JSON text; null: all events
--   $5  the position after which it begins
--   $6  target
with numbered as (
    update {schema}.projections set last_build = last_build + 1, next_build = last_build + 1 where name = $1
    returning name, next_build
), build as (
    insert into {schema}.projection_builds (name, build, revision, partitions, filter, start_after, target, rebuild_began_at)
    select name, next_build, $2, $3, $4::jsonb, $5, $6, clock_timestamp() from numbered
    returning name, build, partitions, start_after
)
insert into {schema}.projection_partitions (name, build, partition, checkpoint)
select b.name, b.build, n.partition, b.start_after from build b, generate_series(0, b.partitions - 1) as n (partition)
