-- The oldest open transaction and the oldest prepared one, and how many sessions cannot be seen. Never the text of a query.
select a.pid, coalesce(nullif(a.application_name, ''), 'without a name') as application, a.state, a.seconds,
    p.gid as prepared, p.seconds as prepared_seconds, h.hidden
from (
    select count(*) as hidden from pg_stat_activity x where x.backend_type is null and x.pid <> pg_backend_pid()
) as h
left join (
    select x.pid, x.application_name, x.state, extract(epoch from clock_timestamp() - x.xact_start)::float8 as seconds
    from pg_stat_activity x
    where x.xact_start is not null and x.backend_type = 'client backend' and x.pid <> pg_backend_pid()
    order by x.xact_start
    limit 1
) as a on true
left join (
    select x.gid, extract(epoch from clock_timestamp() - x.prepared)::float8 as seconds from pg_prepared_xacts x order by x.prepared limit 1
) as p on true
