-- Connections in use, and how many ordinary users may have.
select (select count(*) from pg_stat_activity a where coalesce(a.backend_type, 'client backend') = 'client backend') as used,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most
