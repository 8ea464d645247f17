-- Streams with events that were marked as removed and are still there: a server stopped in the middle.
select s.stream_id, s.floor
from {schema}.streams s
where s.floor > 0
    and exists (select from {schema}.events e where e.stream_id = s.stream_id and e.version <= s.floor)
