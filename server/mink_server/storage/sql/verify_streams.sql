-- A page of streams with the newest version that is there, in the order of their ids.
--
--   $1  after this stream id
--   $2  streams at most
select s.stream_id, s.floor, s.deleted, s.tombstoned, s.name, s.category, coalesce(n.version, 0) as newest
from {schema}.streams s
left join lateral (
    select e.version from {schema}.events e where e.stream_id = s.stream_id order by e.version desc limit 1
) as n on true
where s.stream_id > $1
order by s.stream_id
limit $2
