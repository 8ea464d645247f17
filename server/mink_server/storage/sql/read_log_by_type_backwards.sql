-- A page of the log's events of some types: positions before $1 down to $2 (not included), newest first.
--
--   $1, $2  positions
--   $3      events at most
--   $4      bytes at most (the event that passes the bound is the last)
--   $5      types
--
-- Answers with the number of events, the lowest and the highest position among them, and their frames joined.
select count(*)::bigint as events, min(e.position) as lowest, max(e.position) as highest,
    string_agg(e.envelope || e.payload, ''::bytea order by e.position desc) as frames
from {schema}.events e
where e.position < $1 and e.position >= (
    select min(position) from (
        select position, sum(bytes) over (order by position desc rows unbounded preceding) - bytes as bytes_before
        from (
            select e.position, octet_length(e.envelope) + octet_length(e.payload) as bytes
            from {schema}.events e
            where e.position < $1 and e.position > $2 and e.type = any($5::text[])
            order by e.position desc
            limit $3
        ) as page
    ) as measured
    where bytes_before < $4
)
    and e.type = any($5::text[])
