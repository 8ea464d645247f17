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
with seen as materialized (
    select position, stream_id, octet_length(envelope) + octet_length(payload) as bytes
    from {schema}.events
    where position > $1 and position <= $2 and ($5::text[] is null or type = any($5))
),
-- Each stream is looked up, and its name hashed, once a page; `offset 0`: by its id, and not by going through all streams there are.
chosen as materialized (
    select s.stream_id
    from (select distinct stream_id from seen) as d
    cross join lateral (select * from {schema}.streams where stream_id = d.stream_id offset 0) as s
    where (
            $6::text[] is null or s.name = any($6) or s.category = any($7::text[])
            or exists (select from unnest($8::text[]) as p (prefix) where starts_with(s.name, p.prefix))
        )
        and ('x' || encode(substr(sha256(convert_to(s.name, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint % $10::bigint = $9::bigint
),
page as materialized (
    select position, bytes
    from seen
    where (stream_id in (select stream_id from chosen)) is true  -- looked up in a hash: as a join it would be one of nested loops
    order by position
    limit $3
),
measured as (
    select position, sum(bytes) over (order by position rows unbounded preceding) - bytes as bytes_before
    from page
)
select count(*)::bigint as events, min(e.position) as lowest, max(e.position) as highest,
    string_agg(e.envelope || e.payload, ''::bytea order by e.position) as frames
from measured m
cross join lateral (select * from {schema}.events where position = m.position offset 0) as e
where m.bytes_before < $4
