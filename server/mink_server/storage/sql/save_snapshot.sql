-- Saves a snapshot, unless it is ahead of its stream or a newer one is there.
--
--   $1  the stream's name
--   $2  version
--   $3  whether the state is JSON text
--   $4  metadata, as JSON text
--   $5  state
--
-- Answers with no row if the stream never was; saved_version null: it was not saved.
with stream as (
    select s.stream_id, s.tombstoned, s.deleted and n.version is null as deleted, greatest(n.version, s.floor) as version
    from {schema}.streams s
    left join lateral (
        select e.version from {schema}.events e
        where e.stream_id = s.stream_id and e.version > s.floor order by e.version desc limit 1
    ) as n on true
    where s.name = $1
), saved as (
    insert into {schema}.snapshots as p (stream_id, version, saved_at, is_json, metadata, state)
    select stream_id, $2::bigint, now(), $3, $4::jsonb, $5 from stream where not deleted and not tombstoned and version >= $2
    on conflict (stream_id) do update
    set version = excluded.version, saved_at = excluded.saved_at, is_json = excluded.is_json, metadata = excluded.metadata,
        state = excluded.state
    where p.version <= excluded.version
    returning p.version
)
select stream.version as stream_version, stream.deleted, stream.tombstoned, saved.version as saved_version
from stream left join saved on true
