-- The standbys that follow, and the archive. What the database user may not see of a standby is null.
select current_setting('synchronous_standby_names') as wanted,
    (select count(*) from pg_stat_replication) as standbys,
    (select count(*) from pg_stat_replication r where r.state is null) as hidden,
    (select count(*) from pg_stat_replication r where r.state = 'streaming' and r.sync_state in ('sync', 'quorum')) as synchronous,
    (select extract(epoch from max(r.replay_lag))::float8 from pg_stat_replication r where r.state is not null) as lag_seconds,
    current_setting('archive_mode') as archive_mode,
    (a.last_failed_time > coalesce(a.last_archived_time, '-infinity')) as archive_fails,
    extract(epoch from clock_timestamp() - a.last_failed_time)::float8 as archive_failed_ago
from pg_stat_archiver a
