-- The settings that decide whether what was committed survives.
select current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit, current_setting('synchronous_standby_names') as standbys,
    current_setting('data_checksums') as checksums
