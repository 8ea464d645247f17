-- A page of the log's events of some types: positions before $1 down to $2 (not included), newest first.
--
--   $1, $2  positions
--   $3      events at most
--   $4      bytes at most (the event that passes the bound is the last)
--   $5      types
--
-- Answers with the number of events, the lowest and the highest position among them, and their frames joined.
select count(*)::bigint as events, min(position) as lowest, max(position) as highest, string_agg(frame, ''::bytea order by position desc) as frames
from (
    select position, envelope || payload as frame
    from (
        select position, envelope, payload,
            sum(octet_length(envelope) + octet_length(payload)) over (order by position desc rows unbounded preceding)
                - octet_length(envelope) - octet_length(payload) as bytes_before
        from (
            select e.position, e.envelope, e.payload
            from {schema}.events e
            where e.position < $1 and e.position > $2 and e.type = any($5::text[])
            order by e.position desc
            limit $3
        ) as page
    ) as measured
    where bytes_before < $4
) as fitting
