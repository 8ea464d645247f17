-- The oldest event of a stream that was removed and is still there; no row: there is none.
--
--   $1  stream id
select e.position, e.version, s.name as stream
from {schema}.streams s
join {schema}.events e on e.stream_id = s.stream_id and e.version <= s.floor
where s.stream_id = $1
order by e.version
limit 1
