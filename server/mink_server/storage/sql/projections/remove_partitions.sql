-- The read model of a build is cleared: its partitions and parked events go.
--
--   $1, $2  name, build
with parked as (
    delete from {schema}.projection_parked k where k.name = $1 and k.build = $2
)
delete from {schema}.projection_partitions q where q.name = $1 and q.build = $2
