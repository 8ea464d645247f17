-- The replication slots that nobody uses, with the bytes of write-ahead log that each keeps, the largest first.
select s.slot_name::text as name, s.wal_status, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::bigint as bytes
from pg_replication_slots s
where not s.active
order by bytes desc
