-- What diagnose judges.
--
--   $1  the server's time, seconds since 1970
select extract(epoch from clock_timestamp())::float8 - $1::float8 as clock_drift,
    current_setting('fsync') as fsync,
    current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit,
    coalesce((select max(extract(epoch from now() - a.xact_start)) from pg_stat_activity a where a.xact_start is not null), 0)::float8
        as oldest_transaction,
    (select count(*) from pg_stat_activity a where a.backend_type = 'client backend') as connections,
    current_setting('max_connections')::int as max_connections
