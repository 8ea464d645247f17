-- Deletes events that were marked as removed, some at a time, so that no lock is held for long.
--
--   $1  stream id
--   $2  versions up to this one
--   $3  events at most
with gone as (
    delete from {schema}.events e
    where e.stream_id = $1 and e.version in (
        select x.version from {schema}.events x where x.stream_id = $1 and x.version <= $2 order by x.version limit $3
    )
    returning 1
)
select count(*)::bigint as removed from gone
