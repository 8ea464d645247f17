-- A page of the log's events of one partition of the streams: positions after $1 up to $2, oldest first.
--
--   $1, $2  positions
--   $3      events at most
--   $4      bytes at most (the event that passes the bound is the last)
--   $5      types; null: all
--   $6, $7, $8  streams by name, by category, by prefix; $6 null: all streams
--   $9, $10 the partition, and how many there are
--
-- Answers with the number of events, the lowest and the highest position among them, and their frames joined.
with page as materialized (  -- so that each name is hashed once
    select e.position, octet_length(e.envelope) + octet_length(e.payload) as bytes
    from {schema}.events e
    join {schema}.streams s on s.stream_id = e.stream_id
    where e.position > $1 and e.position <= $2
        and ($5::text[] is null or e.type = any($5))
        and (
            $6::text[] is null or s.name = any($6) or s.category = any($7::text[])
            or exists (select from unnest($8::text[]) as p (prefix) where starts_with(s.name, p.prefix))
        )
        and ('x' || encode(substr(sha256(convert_to(s.name, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint % $10::bigint = $9::bigint
    order by e.position
    limit $3
),
measured as (
    select position, sum(bytes) over (order by position rows unbounded preceding) - bytes as bytes_before
    from page
)
select count(*)::bigint as events, min(e.position) as lowest, max(e.position) as highest,
    string_agg(e.envelope || e.payload, ''::bytea order by e.position) as frames
from measured m
join {schema}.events e using (position)
where m.bytes_before < $4
