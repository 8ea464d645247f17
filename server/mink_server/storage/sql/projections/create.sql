-- Makes a projection with its first build, unless it is there, or there are too many.
--
--   $1  name
--   $2  revision
--   $3  partitions
--   $4  filter, as JSON text; null: all events
--   $5  the position after which it begins
--   $6  projections at most
with number as (
    select coalesce((select last_build from {schema}.projection_numbers where name = $1), 0) + 1 as first
), made as (
    insert into {schema}.projections (name, live_build, last_build)
    select $1, first, first from number where (select count(*) from {schema}.projections) < $6::int
    on conflict (name) do nothing
    returning name, live_build
), build as (
    insert into {schema}.projection_builds (name, build, revision, partitions, filter, start_after)
    select name, live_build, $2, $3, $4::jsonb, $5 from made
    returning name, build, partitions, start_after
)
insert into {schema}.projection_partitions (name, build, partition, checkpoint)
select b.name, b.build, n.partition, b.start_after from build b, generate_series(0, b.partitions - 1) as n (partition)
