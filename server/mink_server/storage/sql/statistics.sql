-- The log's size and what is in it.
--
--   $1  how many types to name
with types as (
    select e.type, count(*)::bigint as events from {schema}.events e group by e.type
)
select l.id::text as log_id,
    greatest((select e.position from {schema}.events e order by e.position desc limit 1), r.position) as head,
    coalesce((select sum(t.events) from types t), 0)::bigint as events,
    (select count(*) from {schema}.streams s
        where exists (select from {schema}.events e where e.stream_id = s.stream_id and e.version > s.floor)) as streams,
    (select count(*) from types) as types,
    coalesce((select array_agg(t.type order by t.events desc, t.type) from (select * from types order by events desc, type limit $1) t),
        '{}') as top_types,
    coalesce((select array_agg(t.events order by t.events desc, t.type) from (select * from types order by events desc, type limit $1) t),
        '{}') as top_counts,
    (select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c
        where c.relnamespace = '{schema}'::regnamespace and c.relkind = 'r') as size_bytes
from {schema}.log l, {schema}.removed r
