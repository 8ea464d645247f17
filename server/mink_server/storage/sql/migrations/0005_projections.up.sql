-- Projections: who handles what, and how far each one is. All times are the database's.

create table {schema}.projections (
    name text collate "C" primary key,
    created_at timestamptz not null default now(),
    paused boolean not null default false,
    live_build bigint not null,
    next_build bigint,                            -- built beside the live one; null: none
    last_build bigint not null,                   -- the highest number that a build has had
    last_token bigint not null default 0,         -- the fencing token of the newest lease
    restart_token bigint not null default 0       -- leases up to this token are to be given back
);

create table {schema}.projection_builds (
    name text collate "C" not null references {schema}.projections on delete cascade,
    build bigint not null,
    revision int not null,
    partitions int not null,
    filter jsonb,                                 -- streams, stream_prefixes, categories, types: those that are given; null: all events
    start_after bigint not null,
    phase text not null default 'following',      -- clearing, following, overtaking, switching
    target bigint,                                -- the position at which a rebuild is done; null: none is under way
    rebuild_began_at timestamptz,
    primary key (name, build)
);

-- Updated a few times a second while there is something to do; there is room in the pages for that.
create table {schema}.projection_partitions (
    name text collate "C" not null,
    build bigint not null,
    partition int not null,
    checkpoint bigint not null,
    caught_up boolean not null default false,
    events bigint not null default 0,
    errors bigint not null default 0,
    rate double precision not null default 0,     -- events a second, lately
    updated_at timestamptz not null default now(),
    token bigint not null default 0,              -- of the newest lease
    task text not null default 'handle',          -- handle, clear, switch
    worker text not null default '',              -- who holds the lease; empty: nobody
    leased_at timestamptz,
    lease_until timestamptz,
    faulted boolean not null default false,
    restart_at timestamptz,                       -- when a faulted one is handled again by itself; null: when an operator says so
    error_message text,
    error_position bigint,
    error_type text,
    error_stream text,
    error_attempts int,
    error_at timestamptz,
    primary key (name, build, partition),
    foreign key (name, build) references {schema}.projection_builds on delete cascade
) with (fillfactor = 50);

create table {schema}.projection_workers (
    name text collate "C" not null references {schema}.projections on delete cascade,
    worker text not null,                         -- an id, given by the server that it is connected to
    worker_name text not null,
    revision int not null,
    partitions int not null,                      -- what its code says: for a build that is made of this revision
    filter jsonb,
    on_new_revision text not null,                -- in_place, side_by_side
    max_partitions int not null,
    leaving boolean not null default false,
    can_clear boolean not null,
    can_switch boolean not null,
    connected_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    seen_until timestamptz not null,
    primary key (name, worker)
) with (fillfactor = 50);

create table {schema}.projection_parked (
    name text collate "C" not null,
    build bigint not null,
    position bigint not null,
    partition int not null,
    type text not null,
    stream text not null,
    message text not null,
    attempts int not null,
    parked_at timestamptz not null default now(),
    replaying boolean not null default false,     -- to be tried again
    primary key (name, build, position),
    foreign key (name, build) references {schema}.projection_builds on delete cascade
);
-- What every round looks for, and hardly ever finds.
create index projection_parked_replaying on {schema}.projection_parked (name, build, partition, position) where replaying;

-- Events that were parked and then handled, for a few minutes: an operator waits for them, and others may have dropped some.
create table {schema}.projection_replayed (
    name text collate "C" not null,
    build bigint not null,
    position bigint not null,
    handled_at timestamptz not null default now(),
    primary key (name, build, position),
    foreign key (name, build) references {schema}.projection_builds on delete cascade
);

-- Projections that were deleted. One that is made again does not use numbers of builds again: read models still have what
-- earlier builds left.
create table {schema}.projection_numbers (
    name text collate "C" primary key,
    last_build bigint not null,
    deleted_at timestamptz not null default now()
);
create index projection_numbers_by_age on {schema}.projection_numbers (deleted_at);
