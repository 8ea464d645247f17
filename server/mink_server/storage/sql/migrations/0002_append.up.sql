-- Appending: append_v1, and what it needs.

-- The number as protobuf's fixed64: eight bytes, lowest first.
create function {schema}.fixed64(p_number bigint) returns bytea
language sql immutable strict parallel safe as $$
    select substr(b, 8, 1) || substr(b, 7, 1) || substr(b, 6, 1) || substr(b, 5, 1)
        || substr(b, 4, 1) || substr(b, 3, 1) || substr(b, 2, 1) || substr(b, 1, 1)
    from (select int8send(p_number) as b) as bytes
$$;

-- Appends a batch. Every append in it succeeds or fails alone; its writes (one a stream) succeed or fail together.
--
--   p_recorded_at  the time of recording of all events; the same as in e_envelope
--   p_server       the id of the server, which comes back in its notification: it need not hear of its own appends
--   w_…  one element a write, the writes of one append side by side
--   w_append    number of the write's append in the batch
--   w_settles   on the last write of an append: how many writes the append has; else 0
--   w_stream    the stream's name
--   w_previous  number (from 1) of the last write before this one that names the same stream; 0: none
--   w_expected  the version expected; -1 any, -2 no stream, -3 the stream exists
--   w_events    how many events the write has
--   e_…  one element an event, in the order of the writes
--   e_write     number (from 1) of the event's write
--   e_index     the event's number (from 1) in its write
--   e_open, e_envelope  the event's bytes before and after position and version; e_payload, the payload's
--
-- Answers with one element a write:
--   outcomes    0 written (or only checked), 1 replayed, 2 not as expected, 3 event id in use, 4 tombstone
--   versions    0, 1: the stream's version after the write; 2: the version that it has
--   positions   0, 1: the position of the write's last event, or 0
--   conflicts   3: the event id
--   head        the newest position after the batch
create function {schema}.append_v1(
    p_recorded_at timestamptz, p_server text,
    w_append integer[], w_settles integer[], w_stream text[], w_previous integer[], w_expected bigint[], w_events integer[],
    e_write integer[], e_index integer[], e_id uuid[], e_type text[], e_flags smallint[],
    e_open bytea[], e_envelope bytea[], e_payload bytea[],
    out outcomes smallint[], out versions bigint[], out positions bigint[], out conflicts uuid[], out head bigint
) language plpgsql volatile
set search_path = pg_catalog
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set lock_timeout = '10s'
as $$
declare
    n constant integer := cardinality(w_stream);
    r record;
    v_failed boolean := false;
    v_before bigint;                   -- newest position before the append at hand
    v_id bigint[];                     -- after the write: the stream's id,
    v_base bigint[];                   -- the newest version ever given,
    v_current bigint[];                -- and the version that callers see
    v_was bigint[];                    -- the version that callers saw before the write
    v_first bigint[];                  -- position of the write's first event; null: not written
    v_floor bigint[];                  -- version before the write's first event
    v_new boolean[];                   -- whether the write makes the stream
    v_replays jsonb;                   -- append -> position of its next event, if it is a replay; else the event id that conflicts
    c_id bigint; c_base bigint; c_current bigint; c_expected boolean;
begin
    -- Positions are given while this lock is held, and it is released by the commit: commit order is position order.
    -- Every statement after this one sees what the holder before has committed.
    perform pg_advisory_xact_lock(1835625067, '{schema}.events'::regclass::oid::integer);

    -- The lone append of one event, new and as expected: as below, for a fraction of the work. It is what an idle log gets.
    if n = 1 and cardinality(e_id) = 1 then
        select greatest((select e.position from {schema}.events e order by e.position desc limit 1), x.position) as head,
            s.stream_id, coalesce(s.tombstoned, false) as tombstoned, greatest(e.version, s.floor, 0) as base,
            case when e.version > s.floor or not coalesce(s.deleted, false) then greatest(e.version, s.floor, 0) else 0 end as current,
            exists (select from {schema}.events y where y.event_id = e_id[1]) as known
        into r
        from {schema}.removed x
        left join {schema}.streams s on s.name = w_stream[1]
        left join lateral (
            select y.version from {schema}.events y where y.stream_id = s.stream_id order by y.version desc limit 1
        ) as e on true;
        if not r.known and not r.tombstoned and (
            case w_expected[1] when -1 then true when -2 then r.current = 0 when -3 then r.current > 0 else r.current = w_expected[1] end
        ) then
            head := r.head + 1;
            if r.stream_id is null then
                insert into {schema}.streams (stream_id, name, category) values (head, w_stream[1], split_part(w_stream[1], '-', 1));
            end if;
            insert into {schema}.events (position, stream_id, version, recorded_at, event_id, flags, type, envelope, payload)
            values (
                head, coalesce(r.stream_id, head), r.base + 1, p_recorded_at, e_id[1], e_flags[1], e_type[1],
                e_open[1] || '\x09'::bytea || {schema}.fixed64(head) || '\x11'::bytea || {schema}.fixed64(r.base + 1) || e_envelope[1],
                e_payload[1]
            );
            perform pg_notify('{channel}', head || ' ' || p_server);
            outcomes := array[0];
            versions := array[r.base + 1];
            positions := array[head];
            conflicts := array[null::uuid];
            return;
        end if;
    end if;

    select greatest((select e.position from {schema}.events e order by e.position desc limit 1), x.position)
    into head from {schema}.removed x;

    outcomes := array_fill(0::smallint, array[n]);
    versions := array_fill(0::bigint, array[n]);
    positions := versions;
    conflicts := array_fill(null::uuid, array[n]);
    v_id := array_fill(null::bigint, array[n]);
    v_first := v_id;
    v_base := versions;
    v_current := versions;
    v_was := versions;
    v_floor := versions;
    v_new := array_fill(false, array[n]);

    -- Ids that are in the log already: a replay if they are the whole of one append of the same events to the same streams, else a
    -- conflict. Metadata is not compared: a retry may carry another trace.
    if exists (
        select from unnest(e_id) as i (id) where exists (select from {schema}.events x where x.event_id = i.id)
    ) then
        with given as (
            select w_append[e.write] as append, e.id, e.type, e.payload, e.ord, w_stream[e.write] as stream
            from unnest(e_write, e_id, e_type, e_payload) with ordinality as e (write, id, type, payload, ord)
        ), found as (
            select g.append, g.ord, g.id, x.position, x.flags,
                g.stream = s.name and g.type = x.type and g.payload = x.payload as same
            from given g
            join {schema}.events x on x.event_id = g.id
            join {schema}.streams s on s.stream_id = x.stream_id
        ), judged as (
            select f.append,
                bool_and(f.same)
                and count(*) = (select count(*) from given g where g.append = f.append)
                and min(f.position - f.ord) = max(f.position - f.ord)
                and (array_agg(f.flags order by f.position))[1] & 2 <> 0
                and (array_agg(f.flags order by f.position desc))[1] & 4 <> 0
                and count(*) filter (where f.flags & 4 <> 0) = 1 as is_replay,
                min(f.position) as first_position,
                (array_agg(f.id order by f.ord))[1] as first_id
            from found f group by f.append
        )
        select jsonb_object_agg(append, case when is_replay then to_jsonb(first_position) else to_jsonb(first_id) end)
        into v_replays from judged;
    end if;

    v_before := head;
    for r in
        select w.ord::integer as write, w.append, w.settles, w.previous, w.expected, w.events,
            s.stream_id, s.floor, s.deleted, s.tombstoned, e.version
        from unnest(w_append, w_settles, w_previous, w_expected, w_events, w_stream)
            with ordinality as w (append, settles, previous, expected, events, stream, ord)
        left join lateral (
            select * from {schema}.streams y where y.name = w.stream
        ) as s on true
        left join lateral (
            select x.version from {schema}.events x where x.stream_id = s.stream_id order by x.version desc limit 1
        ) as e on true
        order by w.ord
    loop
        if r.previous > 0 then
            c_id := v_id[r.previous]; c_base := v_base[r.previous]; c_current := v_current[r.previous];
        else
            c_id := r.stream_id;
            c_base := greatest(r.version, r.floor, 0);
            c_current := case when r.version > r.floor or not coalesce(r.deleted, false) then c_base else 0 end;
        end if;
        v_id[r.write] := c_id; v_base[r.write] := c_base; v_current[r.write] := c_current; v_was[r.write] := c_current;

        c_expected := case r.expected
            when -1 then true when -2 then c_current = 0 when -3 then c_current > 0 else c_current = r.expected end;
        if v_replays ? r.append::text then
            if jsonb_typeof(v_replays -> r.append::text) = 'number' then
                outcomes[r.write] := 1;
                if r.events > 0 then
                    positions[r.write] := (v_replays ->> r.append::text)::bigint + r.events - 1;
                    v_replays := jsonb_set(v_replays, array[r.append::text], to_jsonb(positions[r.write] + 1));
                    versions[r.write] := (select x.version from {schema}.events x where x.position = positions[r.write]);
                else
                    versions[r.write] := c_current;
                end if;
            else
                outcomes[r.write] := 3;
                conflicts[r.write] := (v_replays ->> r.append::text)::uuid;
                v_failed := true;
            end if;
        elsif coalesce(r.tombstoned, false) then
            outcomes[r.write] := 4;
            v_failed := true;
        elsif not c_expected then
            outcomes[r.write] := 2;
            versions[r.write] := c_current;
            v_failed := true;
        elsif r.events = 0 then
            versions[r.write] := c_current;
        elsif not v_failed then
            v_first[r.write] := head + 1;
            v_floor[r.write] := c_base;
            head := head + r.events;
            v_new[r.write] := c_id is null;
            v_id[r.write] := coalesce(c_id, v_first[r.write]);
            v_base[r.write] := c_base + r.events;
            v_current[r.write] := c_base + r.events;
            versions[r.write] := c_base + r.events;
            positions[r.write] := head;
        end if;

        if r.settles > 0 then
            if v_failed then
                head := v_before;
                for i in r.write - r.settles + 1 .. r.write loop
                    if v_first[i] is not null then
                        v_base[i] := v_floor[i];
                        v_current[i] := v_was[i];
                        v_id[i] := case when v_new[i] then null else v_id[i] end;
                        v_first[i] := null;
                        v_new[i] := false;
                    end if;
                end loop;
            end if;
            v_before := head;
            v_failed := false;
        end if;
    end loop;

    insert into {schema}.streams (stream_id, name, category)
    select v_first[w.ord], w.stream, split_part(w.stream, '-', 1)
    from unnest(w_stream) with ordinality as w (stream, ord)
    where v_new[w.ord];

    insert into {schema}.events (position, stream_id, version, recorded_at, event_id, flags, type, envelope, payload)
    select v_first[e.write] + e.index - 1, v_id[e.write], v_floor[e.write] + e.index, p_recorded_at, e.id, e.flags, e.type,
        e.open || '\x09'::bytea || {schema}.fixed64(v_first[e.write] + e.index - 1)
            || '\x11'::bytea || {schema}.fixed64(v_floor[e.write] + e.index) || e.envelope,
        e.payload
    from unnest(e_write, e_index, e_id, e_type, e_flags, e_open, e_envelope, e_payload)
        as e (write, index, id, type, flags, open, envelope, payload)
    where v_first[e.write] is not null;
    if found then
        perform pg_notify('{channel}', head || ' ' || p_server);
    end if;
end $$;
