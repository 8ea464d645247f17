-- A build whose read model was cleared begins again, with new partitions.
--
--   $1, $2  name, build
--   $3  target
with build as (
    update {schema}.projection_builds b set phase = 'following', target = $3 where b.name = $1 and b.build = $2
    returning b.name, b.build, b.partitions, b.start_after
)
insert into {schema}.projection_partitions (name, build, partition, checkpoint)
select b.name, b.build, n.partition, b.start_after from build b, generate_series(0, b.partitions - 1) as n (partition)
