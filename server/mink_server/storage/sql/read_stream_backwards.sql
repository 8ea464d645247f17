-- A page of a stream, newest first, and what is known of the stream, in one snapshot of the database.
--
--   $1  the stream's name
--   $2  the version to begin with; 0: the newest
--   $3  events at most
--   $4  bytes at most (the event that passes the bound is the last)
--   $5, $6  not used (a boolean, a bigint)
--
-- Answers with no row if the stream never was.
select s.stream_id, s.floor, s.deleted, s.tombstoned, greatest(h.version, s.floor) as version, coalesce(h.version, 0) > s.floor as has_events,
    n.version as snapshot_version, n.saved_at as snapshot_saved_at, n.is_json as snapshot_is_json, n.metadata::text as snapshot_metadata,
    n.state as snapshot_state, page.*
from {schema}.streams s
left join lateral (
    select e.version from {schema}.events e where e.stream_id = s.stream_id order by e.version desc limit 1
) as h on true
left join {schema}.snapshots n on $5::boolean and n.stream_id = s.stream_id
cross join lateral (
    select case when $2::bigint > 0 then $2 else 9223372036854775807 end as first
) as b
cross join lateral (
    select count(*)::bigint as events, min(e.version) as lowest, max(e.version) as highest,
        string_agg(e.envelope || e.payload, ''::bytea order by e.version desc) as frames
    from {schema}.events e
    where e.stream_id = s.stream_id and e.version <= b.first and e.version > s.floor and $6::bigint = 0 and e.version >= (
        select min(version) from (
            select version, sum(bytes) over (order by version desc rows unbounded preceding) - bytes as bytes_before
            from (
                select e.version, octet_length(e.envelope) + octet_length(e.payload) as bytes
                from {schema}.events e
                where e.stream_id = s.stream_id and e.version <= b.first and e.version > s.floor and $6::bigint = 0
                order by e.version desc
                limit $3
            ) as page
        ) as measured
        where bytes_before < $4
    )
) as page
where s.name = $1
