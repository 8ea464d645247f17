-- Parked events of the live build, by position. Answers with nothing if there is no such projection, with one row of nulls if there
-- are no such events. Of an event that was removed from the log, version and id are null.
--
--   $1  name
--   $2  only positions after this one
--   $3  events at most
select k.position, k.partition, k.type, k.stream, k.message, k.attempts, k.parked_at, k.replaying, e.version, e.event_id::text
from {schema}.projections p
left join lateral (
    select * from {schema}.projection_parked x
    where x.name = p.name and x.build = p.live_build and x.position > $2
    order by x.position
    limit $3
) as k on true
left join lateral (
    select y.version, y.event_id from {schema}.events y
    join {schema}.streams s on s.stream_id = y.stream_id and y.version > s.floor
    where y.position = k.position
) as e on true
where p.name = $1
order by k.position
