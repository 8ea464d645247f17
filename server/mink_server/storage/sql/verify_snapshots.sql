-- A page of snapshots with their streams, in the order of the streams' ids.
--
--   $1  after this stream id
--   $2  snapshots at most
--   $3  bytes at most (the snapshot that passes the bound is the last)
--
-- stream is null if the snapshot belongs to none; newest is the newest version ever, has_events whether any was left.
select p.stream_id, p.version, p.is_json, p.state, p.metadata_is_text, s.name as stream, s.deleted, s.tombstoned,
    greatest(n.version, s.floor) as newest, coalesce(n.version > s.floor, false) as has_events
from (
    select *, sum(octet_length(state)) over (order by stream_id rows unbounded preceding) - octet_length(state) as bytes_before
    from (
        select p.*, jsonb_typeof(p.metadata) = 'object'
            and not jsonb_path_exists(p.metadata, '$.* ? (@.type() != "string")') as metadata_is_text
        from {schema}.snapshots p
        where p.stream_id > $1
        order by p.stream_id
        limit $2
    ) as page
) as p
left join {schema}.streams s on s.stream_id = p.stream_id
left join lateral (
    select e.version from {schema}.events e where e.stream_id = s.stream_id order by e.version desc limit 1
) as n on true
where p.bytes_before < $3
order by p.stream_id
