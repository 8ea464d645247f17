-- The head, how many events are parked, and when the first event after a checkpoint was recorded.
--
--   $1  names of projections
--   $2  their live builds
--   $3  the checkpoints of these
select g.name,
    greatest((select e.position from {schema}.events e order by e.position desc limit 1), r.position) as head,
    (select count(*) from {schema}.projection_parked k where k.name = g.name and k.build = g.build) as parked,
    (
        select e.recorded_at from {schema}.events e where e.position > g.checkpoint order by e.position limit 1
    ) as oldest_unhandled_at
from {schema}.removed r
cross join unnest($1::text[], $2::bigint[], $3::bigint[]) as g (name, build, checkpoint)
