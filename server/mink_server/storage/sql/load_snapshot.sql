-- The snapshot of a stream.
--
--   $1  the stream's name
--
-- Answers with no row if the stream never was; snapshot_version null: it has none.
select s.tombstoned, s.deleted and n.version is null as deleted,
    p.version as snapshot_version, p.saved_at as snapshot_saved_at, p.is_json as snapshot_is_json, p.metadata::text as snapshot_metadata,
    p.state as snapshot_state
from {schema}.streams s
left join lateral (
    select e.version from {schema}.events e
    where e.stream_id = s.stream_id and e.version > s.floor order by e.version desc limit 1
) as n on true
left join {schema}.snapshots p on p.stream_id = s.stream_id
where s.name = $1
