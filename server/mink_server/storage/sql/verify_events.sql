-- A page of events with their streams: positions after $1 up to $2, oldest first, all of one moment.
--
--   $1, $2  positions
--   $3      events at most
--   $4      bytes at most (the event that passes the bound is the last)
--
-- stream and floor are null if the event belongs to no stream; by_id and by_version are the positions of the events that the other two
-- indexes give for its id and for its version.
select e.position, e.stream_id, e.version, e.recorded_at, e.event_id, e.flags, e.type, e.envelope, e.payload, s.name as stream, s.floor,
    (select x.position from {schema}.events x where x.event_id = e.event_id limit 1) as by_id,
    (select x.position from {schema}.events x where x.stream_id = e.stream_id and x.version = e.version limit 1) as by_version
from {schema}.events e
left join {schema}.streams s on s.stream_id = e.stream_id
where e.position > $1 and e.position <= (
    select max(position) from (
        select position, sum(bytes) over (order by position rows unbounded preceding) - bytes as bytes_before
        from (
            select e.position, octet_length(e.envelope) + octet_length(e.payload) as bytes
            from {schema}.events e
            where e.position > $1 and e.position <= $2
            order by e.position
            limit $3
        ) as page
    ) as measured
    where bytes_before < $4
)
order by e.position
