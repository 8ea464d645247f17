-- Whether old rows and old transaction ids are cleared away; the table of the log with the most dead rows.
select current_setting('autovacuum') = 'on' and current_setting('track_counts') = 'on' as autovacuum,
    age(d.datfrozenxid)::bigint as age, t.relname as table_name, coalesce(t.n_dead_tup, 0) as dead, coalesce(t.n_live_tup, 0) as live
from pg_database d
left join (
    select x.relname::text, x.n_dead_tup, x.n_live_tup from pg_stat_user_tables x
    where x.schemaname = '{schema}' order by x.n_dead_tup desc limit 1
) as t on true
where d.datname = current_database()
