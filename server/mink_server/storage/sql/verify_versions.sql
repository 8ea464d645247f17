-- Looks for the events before events: of each stream and version, the position (null: it is not there), and the stream's floor at the
-- same moment.
--
--   $1  stream ids
--   $2  versions, as many
select s.floor, (
    select e.position from {schema}.events e where e.stream_id = w.stream_id and e.version = w.version limit 1
) as position
from unnest($1::bigint[], $2::bigint[]) with ordinality as w (stream_id, version, ord)
left join {schema}.streams s on s.stream_id = w.stream_id
order by w.ord
