-- Looks through streams that something was removed from, for events that are still there.
--
--   $1  after this stream id
--   $2  streams at most
--
-- Answers with the last stream that was looked at (null: there are no more), and those that have such events.
select max(s.stream_id) as upto, coalesce(array_agg(s.stream_id order by s.stream_id) filter (where s.unfinished), '{}') as unfinished
from (
    select y.stream_id, exists (
        select from {schema}.events e where e.stream_id = y.stream_id and e.version <= y.floor
    ) as unfinished
    from {schema}.streams y
    where y.floor > 0 and y.stream_id > $1
    order by y.stream_id
    limit $2
) as s
