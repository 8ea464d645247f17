-- The tables of a log: its identity, streams, events, snapshots.
-- {schema} is replaced by the schema's name, a plain identifier.

-- One row, made once: which log this is. Clients compare the id after a restore or a failover.
create table {schema}.log (
    only_row boolean primary key default true check (only_row),
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now()
);
insert into {schema}.log default values;

-- One row: the newest position that is certain never to be given again although its event is gone. Only removals update it.
create table {schema}.removed (
    only_row boolean primary key default true check (only_row),
    position bigint not null
);
insert into {schema}.removed (position) values (0);

-- A stream's id is the position of its first event. Appends insert rows here and never update one.
create table {schema}.streams (
    stream_id bigint primary key,
    floor bigint not null default 0,          -- versions up to this one were removed and are never used again
    deleted boolean not null default false,   -- deleted at `floor`; events above it make the stream exist again
    tombstoned boolean not null default false,
    name text collate "C" not null unique,
    category text collate "C" not null
);
-- What a sweep after a crash in the middle of a removal looks at.
create index streams_with_removals on {schema}.streams (stream_id) where floor > 0;

-- envelope || payload are the bytes of an event on the wire, as an element of a response's `events` (field 1).
create table {schema}.events (
    position bigint primary key,
    stream_id bigint not null,
    version bigint not null,
    recorded_at timestamptz not null,
    event_id uuid not null,
    flags smallint not null,                  -- 1: the payload is JSON text; 2: first, 4: last event of its append
    type text collate "C" not null,
    envelope bytea not null,
    payload bytea not null,
    constraint events_stream_version unique (stream_id, version),
    constraint events_event_id unique (event_id)
);
do $$
begin
    alter table {schema}.events alter column payload set compression lz4;
exception when feature_not_supported or invalid_parameter_value then
    null;  -- a server built without lz4 compresses with pglz
end $$;

create table {schema}.snapshots (
    stream_id bigint primary key references {schema}.streams,
    version bigint not null,
    saved_at timestamptz not null,
    is_json boolean not null,
    metadata jsonb not null,
    state bytea not null
);
