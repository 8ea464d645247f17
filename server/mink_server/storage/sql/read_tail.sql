-- Events one by one, with what filters look at.
--
--   $1, $2  positions: after $1, up to $2
--   $3      events at most
--   $4      bytes at most (the event that passes the bound is the last)
select position, frame, stream, type
from (
    select e.position, e.envelope || e.payload as frame, s.name as stream, e.type,
        sum(octet_length(e.envelope) + octet_length(e.payload)) over (order by e.position rows unbounded preceding)
            - octet_length(e.envelope) - octet_length(e.payload) as bytes_before
    from {schema}.events e
    join {schema}.streams s on s.stream_id = e.stream_id
    where e.position > $1 and e.position <= least($2, $1 + $3)
) as measured
where bytes_before < $4
order by position
