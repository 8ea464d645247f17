-- What the log's tables must have, and have not: constraints that keep numbers, ids and names apart, each with a valid index.
select w.name
from (values
    ('events', 'events_pkey'), ('events', 'events_stream_version'), ('events', 'events_event_id'),
    ('streams', 'streams_pkey'), ('streams', 'streams_name_key'), ('snapshots', 'snapshots_pkey')
) as w (relation, name)
where not exists (
    select from pg_constraint c
    join pg_index i on i.indexrelid = c.conindid
    where c.conrelid = to_regclass('{schema}.' || w.relation) and c.conname = w.name and i.indisunique and i.indisvalid and i.indisready
)
order by w.name
