-- Bytes that the log takes, with indexes and what is stored beside the tables.
select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
from pg_class c
where c.relnamespace = '{schema}'::regnamespace and c.relkind = 'r'
