-- What is known of streams, in the order of their names.
--
--   $1  only this stream; null: all
--   $2  only names that begin so
--   $3  only names after this one
--   $4  streams at most
--   $5  also the deleted ones
select s.name as stream, greatest(n.version, s.floor) as version,
    coalesce(o.version, 0) as first_version,
    coalesce(n.version - o.version + 1, 0) as events,
    coalesce(n.position, 0) as last_position, o.recorded_at as first_recorded_at, n.recorded_at as last_recorded_at,
    coalesce(p.version, 0) as snapshot_version, s.deleted and n.version is null as deleted, s.tombstoned
from {schema}.streams s
left join lateral (
    select e.version, e.recorded_at from {schema}.events e
    where e.stream_id = s.stream_id and e.version > s.floor order by e.version limit 1
) as o on true
left join lateral (
    select e.version, e.position, e.recorded_at from {schema}.events e
    where e.stream_id = s.stream_id and e.version > s.floor order by e.version desc limit 1
) as n on true
left join {schema}.snapshots p on p.stream_id = s.stream_id
where ($1::text is null or s.name = $1)
    and s.name > $3::text
    and starts_with(s.name, $2::text)
    and s.name between $2 and $2 || repeat(chr(1114111), 500)  -- the same once more, in a form that the index understands
    and ($5::boolean or not s.deleted or n.version is not null)
order by s.name
limit $4
