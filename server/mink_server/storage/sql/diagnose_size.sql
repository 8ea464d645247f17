-- Bytes of the log, with indexes, and of the whole database (null if the user may not ask).
select (
        select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c
        where c.relnamespace = to_regnamespace('{schema}') and c.relkind = 'r'
    ) as log,
    case when has_database_privilege(current_database(), 'connect') then pg_database_size(current_database()) end as database
