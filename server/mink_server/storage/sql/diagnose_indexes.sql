-- The log's indexes that Postgres does not use, because they were not finished.
select c.relname::text as name
from pg_index i
join pg_class c on c.oid = i.indexrelid
where c.relnamespace = to_regnamespace('{schema}') and not (i.indisvalid and i.indisready)
order by c.relname
