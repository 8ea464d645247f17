-- A log as mink 0.1.0 made it. Written by freeze.py, never changed: see README.md.
--
-- PostgreSQL database dump
--


-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: mink_frozen; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA mink_frozen;


--
-- Name: append_v1(timestamp with time zone, text, integer[], integer[], text[], integer[], bigint[], integer[], integer[], integer[], uuid[], text[], smallint[], bytea[], bytea[], bytea[]); Type: FUNCTION; Schema: mink_frozen; Owner: -
--

CREATE FUNCTION mink_frozen.append_v1(p_recorded_at timestamp with time zone, p_server text, w_append integer[], w_settles integer[], w_stream text[], w_previous integer[], w_expected bigint[], w_events integer[], e_write integer[], e_index integer[], e_id uuid[], e_type text[], e_flags smallint[], e_open bytea[], e_envelope bytea[], e_payload bytea[], OUT outcomes smallint[], OUT versions bigint[], OUT positions bigint[], OUT conflicts uuid[], OUT head bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET lock_timeout TO '10s'
    AS $$
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
    perform pg_advisory_xact_lock(1835625067, 'mink_frozen.events'::regclass::oid::integer);

    -- The lone append of one event, new and as expected: as below, for a fraction of the work. It is what an idle log gets.
    if n = 1 and cardinality(e_id) = 1 then
        select greatest((select e.position from mink_frozen.events e order by e.position desc limit 1), x.position) as head,
            s.stream_id, coalesce(s.tombstoned, false) as tombstoned, greatest(e.version, s.floor, 0) as base,
            case when e.version > s.floor or not coalesce(s.deleted, false) then greatest(e.version, s.floor, 0) else 0 end as current,
            exists (select from mink_frozen.events y where y.event_id = e_id[1]) as known
        into r
        from mink_frozen.removed x
        left join mink_frozen.streams s on s.name = w_stream[1]
        left join lateral (
            select y.version from mink_frozen.events y where y.stream_id = s.stream_id order by y.version desc limit 1
        ) as e on true;
        if not r.known and not r.tombstoned and (
            case w_expected[1] when -1 then true when -2 then r.current = 0 when -3 then r.current > 0 else r.current = w_expected[1] end
        ) then
            head := r.head + 1;
            if r.stream_id is null then
                insert into mink_frozen.streams (stream_id, name, category) values (head, w_stream[1], split_part(w_stream[1], '-', 1));
            end if;
            insert into mink_frozen.events (position, stream_id, version, recorded_at, event_id, flags, type, envelope, payload)
            values (
                head, coalesce(r.stream_id, head), r.base + 1, p_recorded_at, e_id[1], e_flags[1], e_type[1],
                e_open[1] || '\x09'::bytea || mink_frozen.fixed64(head) || '\x11'::bytea || mink_frozen.fixed64(r.base + 1) || e_envelope[1],
                e_payload[1]
            );
            perform pg_notify('mink_mink_frozen', head || ' ' || p_server);
            outcomes := array[0];
            versions := array[r.base + 1];
            positions := array[head];
            conflicts := array[null::uuid];
            return;
        end if;
    end if;

    select greatest((select e.position from mink_frozen.events e order by e.position desc limit 1), x.position)
    into head from mink_frozen.removed x;

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
        select from unnest(e_id) as i (id) where exists (select from mink_frozen.events x where x.event_id = i.id)
    ) then
        with given as (
            select w_append[e.write] as append, e.id, e.type, e.payload, e.ord, w_stream[e.write] as stream
            from unnest(e_write, e_id, e_type, e_payload) with ordinality as e (write, id, type, payload, ord)
        ), found as (
            select g.append, g.ord, g.id, x.position, x.flags,
                g.stream = s.name and g.type = x.type and g.payload = x.payload as same
            from given g
            join mink_frozen.events x on x.event_id = g.id
            join mink_frozen.streams s on s.stream_id = x.stream_id
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
            select * from mink_frozen.streams y where y.name = w.stream
        ) as s on true
        left join lateral (
            select x.version from mink_frozen.events x where x.stream_id = s.stream_id order by x.version desc limit 1
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
                    versions[r.write] := (select x.version from mink_frozen.events x where x.position = positions[r.write]);
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

    insert into mink_frozen.streams (stream_id, name, category)
    select v_first[w.ord], w.stream, split_part(w.stream, '-', 1)
    from unnest(w_stream) with ordinality as w (stream, ord)
    where v_new[w.ord];

    insert into mink_frozen.events (position, stream_id, version, recorded_at, event_id, flags, type, envelope, payload)
    select v_first[e.write] + e.index - 1, v_id[e.write], v_floor[e.write] + e.index, p_recorded_at, e.id, e.flags, e.type,
        e.open || '\x09'::bytea || mink_frozen.fixed64(v_first[e.write] + e.index - 1)
            || '\x11'::bytea || mink_frozen.fixed64(v_floor[e.write] + e.index) || e.envelope,
        e.payload
    from unnest(e_write, e_index, e_id, e_type, e_flags, e_open, e_envelope, e_payload)
        as e (write, index, id, type, flags, open, envelope, payload)
    where v_first[e.write] is not null;
    if found then
        perform pg_notify('mink_mink_frozen', head || ' ' || p_server);
    end if;
end $$;


--
-- Name: envelope_metadata(bytea); Type: FUNCTION; Schema: mink_frozen; Owner: -
--

CREATE FUNCTION mink_frozen.envelope_metadata(p_envelope bytea) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
declare
    v_at integer := 1;
    v_end integer;
    v_entry_end integer;
    v_tag bigint;
    v record;
    v_key text;
    v_value text;
    v_result jsonb := '{}';
begin
    v := mink_frozen.varint(p_envelope, v_at);
    v_at := v_at + v.length;
    v_end := length(p_envelope);
    while v_at < v_end loop
        v_tag := get_byte(p_envelope, v_at);
        v_at := v_at + 1;
        if v_tag & 7 = 1 then
            v_at := v_at + 8;
            continue;
        end if;
        v := mink_frozen.varint(p_envelope, v_at);
        v_at := v_at + v.length;
        if v_tag >> 3 = 7 then
            v_entry_end := v_at + v.value;
            v_key := '';
            v_value := '';
            while v_at < v_entry_end loop
                v_tag := get_byte(p_envelope, v_at);
                v := mink_frozen.varint(p_envelope, v_at + 1);
                v_at := v_at + 1 + v.length;
                if v_tag >> 3 = 1 then
                    v_key := convert_from(substr(p_envelope, v_at + 1, v.value::integer), 'UTF8');
                else
                    v_value := convert_from(substr(p_envelope, v_at + 1, v.value::integer), 'UTF8');
                end if;
                v_at := v_at + v.value;
            end loop;
            v_result := v_result || jsonb_build_object(v_key, v_value);
        else
            v_at := v_at + v.value;
        end if;
    end loop;
    return v_result;
end $$;


--
-- Name: fixed64(bigint); Type: FUNCTION; Schema: mink_frozen; Owner: -
--

CREATE FUNCTION mink_frozen.fixed64(p_number bigint) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    select substr(b, 8, 1) || substr(b, 7, 1) || substr(b, 6, 1) || substr(b, 5, 1)
        || substr(b, 4, 1) || substr(b, 3, 1) || substr(b, 2, 1) || substr(b, 1, 1)
    from (select int8send(p_number) as b) as bytes
$$;


--
-- Name: jsonb_or_null(bytea); Type: FUNCTION; Schema: mink_frozen; Owner: -
--

CREATE FUNCTION mink_frozen.jsonb_or_null(p_text bytea) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
begin
    return convert_from(p_text, 'UTF8')::jsonb;
exception when data_exception or program_limit_exceeded then
    return null;
end $$;


--
-- Name: remove_v1(text, bigint, bigint, boolean); Type: FUNCTION; Schema: mink_frozen; Owner: -
--

CREATE FUNCTION mink_frozen.remove_v1(p_stream text, p_expected bigint, p_before bigint, p_tombstone boolean, OUT outcome smallint, OUT version bigint, OUT stream_id bigint, OUT floor bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    SET lock_timeout TO '10s'
    AS $$
#variable_conflict use_column
declare
    s record;
    v_newest bigint;
begin
    perform pg_advisory_xact_lock(1835625067, 'mink_frozen.events'::regclass::oid::integer);
    outcome := 0;
    version := 0;
    select * into s from mink_frozen.streams y where y.name = p_stream;
    if not found then
        outcome := 5;
        return;
    end if;
    stream_id := s.stream_id;
    select x.version into v_newest from mink_frozen.events x where x.stream_id = s.stream_id order by x.version desc limit 1;
    version := greatest(v_newest, s.floor);
    floor := s.floor;
    if s.tombstoned then
        outcome := 4;
    elsif s.deleted and coalesce(v_newest, 0) <= s.floor then
        if p_before is null and p_tombstone then
            update mink_frozen.streams y set tombstoned = true where y.stream_id = s.stream_id;
        else
            outcome := 6;
        end if;
    elsif p_expected = -2 or (p_expected >= 0 and p_expected <> version) then
        outcome := 2;
    elsif p_before > version + 1 then
        outcome := 7;
    else
        floor := greatest(s.floor, coalesce(p_before - 1, version));
        update mink_frozen.streams y
        set floor = remove_v1.floor, deleted = p_before is null, tombstoned = p_before is null and p_tombstone
        where y.stream_id = s.stream_id;
        update mink_frozen.removed z
        set position = greatest(z.position, (select x.position from mink_frozen.events x order by x.position desc limit 1));
        if p_before is null then
            delete from mink_frozen.snapshots y where y.stream_id = s.stream_id;
        end if;
        perform pg_notify('mink_mink_frozen', 'removed');
    end if;
end $$;


--
-- Name: varint(bytea, integer); Type: FUNCTION; Schema: mink_frozen; Owner: -
--

CREATE FUNCTION mink_frozen.varint(p_bytes bytea, p_at integer, OUT length integer, OUT value bigint) RETURNS record
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
declare
    b integer;
begin
    length := 0;
    value := 0;
    loop
        b := get_byte(p_bytes, p_at + length);
        value := value | ((b & 127)::bigint << (7 * length));
        length := length + 1;
        exit when b < 128;
    end loop;
end $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: events; Type: TABLE; Schema: mink_frozen; Owner: -
--

CREATE TABLE mink_frozen.events (
    "position" bigint NOT NULL,
    stream_id bigint NOT NULL,
    version bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    event_id uuid NOT NULL,
    flags smallint NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    envelope bytea NOT NULL,
    payload bytea NOT NULL
);


--
-- Name: streams; Type: TABLE; Schema: mink_frozen; Owner: -
--

CREATE TABLE mink_frozen.streams (
    stream_id bigint NOT NULL,
    floor bigint DEFAULT 0 NOT NULL,
    deleted boolean DEFAULT false NOT NULL,
    tombstoned boolean DEFAULT false NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: event_log; Type: VIEW; Schema: mink_frozen; Owner: -
--

CREATE VIEW mink_frozen.event_log AS
 SELECT e."position",
    s.name AS stream,
    s.category,
    e.version,
    e.event_id AS id,
    e.type,
    e.recorded_at,
    mink_frozen.envelope_metadata(e.envelope) AS metadata,
        CASE
            WHEN (((e.flags)::integer & 1) <> 0) THEN mink_frozen.jsonb_or_null(e.payload)
            ELSE NULL::jsonb
        END AS json,
        CASE
            WHEN (((e.flags)::integer & 1) <> 0) THEN convert_from(e.payload, 'UTF8'::name)
            ELSE NULL::text
        END AS json_text,
        CASE
            WHEN (((e.flags)::integer & 1) = 0) THEN e.payload
            ELSE NULL::bytea
        END AS payload
   FROM (mink_frozen.events e
     JOIN mink_frozen.streams s ON ((s.stream_id = e.stream_id)));


--
-- Name: log; Type: TABLE; Schema: mink_frozen; Owner: -
--

CREATE TABLE mink_frozen.log (
    only_row boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT log_only_row_check CHECK (only_row)
);


--
-- Name: migrations; Type: TABLE; Schema: mink_frozen; Owner: -
--

CREATE TABLE mink_frozen.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: removed; Type: TABLE; Schema: mink_frozen; Owner: -
--

CREATE TABLE mink_frozen.removed (
    only_row boolean DEFAULT true NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT removed_only_row_check CHECK (only_row)
);


--
-- Name: snapshots; Type: TABLE; Schema: mink_frozen; Owner: -
--

CREATE TABLE mink_frozen.snapshots (
    stream_id bigint NOT NULL,
    version bigint NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    is_json boolean NOT NULL,
    metadata jsonb NOT NULL,
    state bytea NOT NULL
);


--
-- Data for Name: events; Type: TABLE DATA; Schema: mink_frozen; Owner: -
--

INSERT INTO mink_frozen.events VALUES
	(1, 1, 1, '2026-11-21 04:57:27.809691+00', '01a1fc77-6e00-70d8-b51e-006ea2626839', 3, 'Happened', '\x0ab2010901000000000000001101000000000000001a2430316131666337372d366530302d373064382d623531652d30303665613236323638333922074f726465722d312a0848617070656e6564320c08b7c984d80610f8ce8b82034257', '\x7b2262223a20312c202261223a20322c20202261223a20332c20226e223a203132333435363738393031323334353637383930313233343536373839302e31302c20227a223a20225c7530303030205c7564383030227d'),
	(2, 1, 2, '2026-11-21 04:57:27.809691+00', '01a1fc77-6e00-76ad-85d0-0bae3d335065', 1, 'Ünï %_', '\x0ac4010902000000000000001102000000000000001a2430316131666337372d366530302d373661642d383564302d30626165336433333530363522074f726465722d312a08c39c6ec3af20255f320c08b7c984d80610f8ce8b82033a1f0a08d0bad0bbd18ed1871213d0b7d0bdd0b0d187d0b5d0bdd0b8d0b52022093a040a0012003a320a0b7472616365706172656e74122330302d3131313131313131313131313131313131313131313131313131313131313131420e', '\x7b22c3bc223a2022f09f9880227d'),
	(3, 1, 3, '2026-11-21 04:57:27.809691+00', '01a1fc77-6e00-792e-95a5-5648dd3f98b6', 1, 'Happened', '\x0a650903000000000000001103000000000000001a2430316131666337372d366530302d373932652d393561352d35363438646433663938623622074f726465722d312a0848617070656e6564320c08b7c984d80610f8ce8b8203420a', '\x226120737472696e6722'),
	(4, 1, 4, '2026-11-21 04:57:27.809691+00', '01a1fc77-6e00-7601-8abb-410bc4610d58', 0, 'Happened', '\x0adc020904000000000000001104000000000000001a2430316131666337372d366530302d373630312d386162622d34313062633436313064353822074f726465722d312a0848617070656e6564320c08b7c984d80610f8ce8b82034a8002', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'),
	(5, 1, 5, '2026-11-21 04:57:27.809691+00', '01a1fc77-6e00-7acb-b0e6-41cd09b43003', 0, 'Happened', '\x0a5b0905000000000000001105000000000000001a2430316131666337372d366530302d376163622d623065362d34316364303962343330303322074f726465722d312a0848617070656e6564320c08b7c984d80610f8ce8b82034a00', '\x'),
	(6, 1, 6, '2026-11-21 04:57:27.809691+00', '01a1fc77-6e00-7acb-8804-1cd2c2cf20bb', 0, 'Happened', '\x0a84470906000000000000001106000000000000001a2430316131666337372d366530302d376163622d383830342d31636432633263663230626222074f726465722d312a0848617070656e6564320c08b7c984d80610f8ce8b82034aa846', '\xf5b165224a58b791df6af1d8303e61cdc4bb86c3d1c427103c344c4189eb2f1e7bd5d47e446fcec2a3d811736110e5781bcccea696762e6116c6e9c92d99bf358c2e0718822ce47ca8c74107e66cb0e4b2b3f4d58d82ca6386d2c96e760e819b85c924c3597164c4a6058a00581a22b22de50472433d2e44fed8b6b8357e44cd3129903ac1d45597a242fdf11f8f2b1a39f3c3e693114351dcbed407e3e6b605b99e8306dda748a61e029a8a3f415b024a146cf0d98a98e1cf999661f967bdafdf0e7337420c13f8f5d40f6ce079d1b987376f07bcb81287fdc8c0388fe881c3a0661970ef3f6df0148ded7e8a34888d396cab3b80d27f58df111a3b3df245ada90802389a78cdc29492a875f74ac6f3aa202f4ad9892fed75598005bac48a6a9e826bd6f0a890ea47ca738eb48c14ec53676da43f9e9919878d972f9a451da1305317feed6740b9bd7425dcb03de04bf0a4f21e0adc3ebef6822b55d46d44e5a833b3b84e0f27f9f7a910b6b6683480fc91baefae179bf759340f6cf6c1f9810d387dd45ce301e94a2599abf5fd99301d8fa94d13abbe48a1ae6b96681c34f9c424eae11631d67fdf64a0d8a5b4dff0c5475a81bcd2b26419dac896481471da57afd608bc27f07ae334243ecc2165be58af22ccbd6c7f67757b106aafa12caa98364a2cd1d3fb5d4f137e8cd7b9fae1a77afab3d84b9dc66b1aabac50b0fbbc8f89ec5f79bd221616ca5f700608eca9153d28821562a11be30348c7a421e82944385c857e1007d7b95dac64d892da5efc8d5c7d438a96bb86399207685d2578acfb210bd6c8fb4e3cd910b4a24a2ad9bb30b2fb253c649d8de3da970d560394e3f2c264d806aca54e019c2bf0fe282bd4b49280c790183afb5f69fb4d3226033d0141c5318113336b5e248acec88aeb64f33bdcf8e85f8c07e56f3ba35a8a67298a868322f9045811e7d4f31834f3d84e5cea93fa2c705a2ba8897561b4e5e8eb7fef44424dc2a8687c498ccbcee39b859205f57ff8b9ba41277601c77b39621ba19dc8870461db595d0bd237b363f437aadce2a7dc3ef0b7a191bd18323383e8ca23cf8f7d16219919c884698003c72c26b58f90ae9a345b47146d57cd20f3ba185e0e0b7d297b4cfcb8de6c575f5dfa79eb91963ced8d08ad2833f442e6f0535c3581dd95d469490d247cffcd37d04396565bafb9176a08909858a8db670002bfd989be9e448a29019d9f436b54c94eafc99c9a6cc554c31b4975041c9099425e29070444f8cd2c65c73a1faea7a29bb75d2dd15cfe8c513a9f950edc472eab136bdc8c307317977e66ccd33e108dee950ecce317edd9150a02d1b6bd52ee41f35a41d63d4f08c0967cd7eed18df1012b51ac263d091212d54e15b55d3ade56d645048ebaf773db33ba0340aa0fc184226ec16a81fc47031de33f76b4c5444e72071c3e0c1bcc8f07f39fe59c422fc9182c58dc12504a88c2cb119a55df2aeb37dd28efd75541c4660287327fb3f3128c0b2b0aa41aa87db8dd45639ef0a5fec12ab6efe0634b7a536774a444dfb323b56e525e351a7fab0e49793f993b1d63ea0c061a8edf4f0c68f562cc4ae5578553c16be0f5d3cb0c58233021de274273ced71b0aa2e24049815ae6a541ebbaeaf5968218850bfaa7fc8635b82b2ff716ca0b9b48fa806ee48229d1a5debdf9e8555405951cb239f5c49204cd75b66554847e25bb200b09e99905b88891bbf5ecac0429ef541772cc0861b4a77c9d81deed9cad43eb396dcd99718b97000ed59b397938f11b1bfaef8fc0f940437aa106553dccffdaeeb1a7dd3f847a946a73c05b2339ec021e86578404a624f9db073d091865576ac6ac0ca46a9343acaacd542a3d52f737eaa88ecc85a1cdf4216d898a0c0fe89ac9bc9570714c28c82c20f482c8f73f434e363d0323e0030a250c945a6f4e00281b12b099c7dbb9f9911394fd734f0e11cceafe3475f0c0d9414ce96f6cbe90478028ef438a6a97f49f90788a9a402250612120c32b02832b8b8fefa7f3e0971dbcd9d2e5b409d6823097861fc5d10b00b43708d052f629ae9be65ce8fd91d86dfa75468be82bcc1df2d355e626de66e0b0de685549f92636afc74fdc3ab4af7d7a9fc88c45820e949409d090c2603de74d337476d058efb9591978cdac347d35c992b54a95ac2f5585e5bfd1d56ecc9966977ec2b131edb20a7ea38bbb1a29bf1df04b317caafc01db63226bcb4b302e0d8141e3f27f753b670448da4953a571b49c509622df86c0fe66b55051e681aa0648e4bda104bce02e28451a6b332d8787db93d0e6533ecfa6cf5a4aaffcc8153790460d5fc8b1bd9822ecf8ce563bb3e26deb1e8936c5aa3b447916a9ac3e01ae18d69373d6c275156185d6a3ee6d40318c9d8a06582a0b19ea5785e4e1390873d6f673e6af8adac988b71b087cc67298c47e444afc064253884965113c22feb8103516b8b935af570a9d9aad152b670d224313712b0b30a32ad97e36e94d0cc8896b158536a24c9c44357055c2dd400d552449a7994de88181807054d700c45a416c533c5e39fabe56eeee1c578865291dd8158d4a2e61353ca7390fde58a6a9f14c999e9a45ec8fc7407e4df4025c11b754ce23e3d386217dbf08a622d81078941f82198dbe4f2fc52fc4b11aa9181b5248ef040a06de1668cbcdbc12dfc456618f35bddd6b78c1fdefffc1c91a50b725aff718d470210120650e455725485c1df6d47c9d955d609689d52ac8a32d19ed9434c76010719f13e6bc1e9275cede8c53534539822ee3904920ed14b168c6f3300048448b8c695d506109e4f355a94b69967f90f680c7885e34d1ecffd1431db75d3075730692e52773f546fc3c941b06cb79c9a862b60b329de8d35c7bb54b28732b0345ee199dea18a0ab916db903958b78179364dd697c5b771d61997cd3f14b93e2687535ca80fb3e0a88a91b30ab9c583da35217c99df4f7fcd60e3896f58bc76bd7217a299b38951d51bf6e730aa4d92a4bcf4eae56b8cd3d939ab028483477beb62853d8b556531a3ae6626f48db27e9282cf6f666c7d660baf475ce583963f87329fd8a19d2c2e894647fd12321454ba380da8c9a7cdf408e222cb66c551d7a016f80505c10a219453b26351fc3eca686324251ff8c240ab1adfa06f887b00258a76fc9a2998afbcb5cf4ecc327a94b7ed6fab99fdab898c7fcfb51f40229737c352a64b82c335015b60766eb751e10abe26e102b0fd4e9a6d13d51d9ae45f88d6cf899609544f8fb1bb3749e3d821c001e0440eae71637d7a5fec86197289e97bd25c72d31defa9f4c26e4ee5bfc8acdf01bde04352db0d9250b782cfb6da9387a175bbe75534297afe72e3572a68aaecc3435d698ac4e3dd0ff328ed6123f7b57475c4e95d4141804ead18ba3e14780e3e3168193befb6065d7c0a4b8a97212402a178129eaa6870209936131baa46916c1565cfad3f0099b383ae066f663eaf872f7656a894e9566820aeb17c65392f7d22fe58d1551b078f0caefd2ddd846c73994826ebce498b0ddeb90e9844d34e7ef3ededf965503b4d7194f5b528b6a2b849ca5633894bac1bcce52009198da3090173ebebe3e331b5c38763b37050b59eace6c02673e65a3da66a10e84129bd49f443ac11b8d472718de2f93271251d6aabac2b43b1355f28105b466a8a206eb8902fa47734a2ac22fc0c89eccca4df7f35b195b467ef08705782990d6dc7af7eedb7c5078273bd7d6196ab05d80115b1ac7d60984cb7cf0fd538e48bd1342855f825c9a00f322a84daa5998592cb910f82dc6a1b5c6b0c14926d22222fc88d83b24381c51d2586694dd5c5ddd510f4d3d4ed3565c1bd24196b57efbac835b30aed5f9f95aeb11a3159aa420224b5f2f55207560cde4edf2ec34cf2e4524346da58ba95315e94b2ffeb8656b210840449dc779e0e950f3022fd228cb30e7d0809f9f6686c9cd763015acb13a3be8133b8e8d3b5439d75f8d87f1faf805bf5fcba7fc5a4f89b03c559734bf8e9b2d6270864c385dc16ea718998929ef6b2873596e0c3abcfeb6f884b2dc2f8cf3aa5ad94e3fbd80a940f15c1cc7d5727d1063859cae0075a0f65b9a5a72fda4e9ceadb61f6e40f49c8ced670e40d8b9978ab4707c70e250eed94b4bbe89651a0c741b26c8029a474d65df2a17d67405b356f493e82b23430a423d485c7cb6a23f068c7106cb1e047da54c75c1ee78cbab6a4e95eff97b1413928859d704654ff40fa27913b1d192dd5a43817f947696662302a7f29797740820e1757423333a5542141db4fb280b35d495dbe3466e0bd665c3046790fd51ad66199c132cd330c99c0ee8d8166b99c83ba7476a7c3906ea015dc2752d4dff588762bf365106f53a80bbf69de4e3591aa6d3a9a1eb278a3570c48c1bee1053bfafb2c49ca30f783ebbb17ac939791f063df4c61f50050ebd7ed2e9dbaf0266947aa5c9dff43cab9d393d157db668f688690374425687dc768f8a497d9cef2f2de84aac6cba9bd1eeea6dba45a75c2b7546342decf800777ba5e4212f382da9560c2135eeeb0b315112b7b360c34a3afe82479f31a55add9ee0db79625e8ee0d2287a4dfa82d9661ac418f9dfca4aea0ce2ba222f340642d24fabc7784cdc694bb1c15eb04c6b7b57d9adb3648dfc1d225ff026492aad4287b35cd286b3dee585bcedb6fb764c403698d5cdc0158dfa34db7ae98c1f21dd87e54bb5299baab9c7f5054f92835d4e3c9272079060da6a202da425e127460527404cad3f6dacdbb537d0cf12f186e3cb91828d37b84ce9fbc19ac142c8589a580d5203ba7e11ba7faecf71c364285b97b749a810a3ff501559624b4c6265b2da83fc6470d83b36302aed30528b4779daba792b8bfe6ce26b0ad7433086a04d31fb5f9224179f66d5cec7bb53414500e2a0ed2dde199d997c447bf8a5bcf461b1e979ab6e1587c89df584dc8df999c59d23805c1ff8ea0698c6fd54ed9dccc788d7cf4780f7943ce3a86feec6af74ec4db3bc7efe147a5eef710e32d9d9bf6f9fec288ab13d700ea1f8af30dbd90de8e16168a6a3f0a2807ecdebeb46e70bf3d36ef784b1651f552d2ab546fbe8c1d2515315382970eb2a5720fcc5559fffabace8b45feb7c00d19cf5ab9f46369605831e9816676ea81ac6996bccb788da5f81681da0c7e8e5253b1e052a17a99848a44b7e8a1547aa1b8b3ffa47fc600e44e4bf8324338f05bb060134b9b5f5e2449930d2ce42879b6e53705ac23e9448876205110fe3071895a5a0fd851cf917680a9b3363033e5d57d8d5355da942751ee434950b402cba72e748183afe25c4c1d68adc825033941ef2451196a64f55eef2955a41e6c142d13940643615d5aea2fbaedd0a4772caeb84caee4b7adc21fd03cfb220e7dacce73ef970b5002bd4d39d8b426e615b52ada57d5ced826b26010fdb0c492e1fa199e1c42e6f7d3563360f92c58c01e133171d6293326f344155b74851f780cfcf02af1befb56de78a89bbce92bc2e068eef391eeb34be9145c64cbf971f620345ef978b48b2e14b32a806f78f9f85acfa32d5c27ac26cb9b09738f9320c3ea643d3f7220a3b3f13445818801a97ac5f947d949270dd33cef52cae4fca51ea6fbdbcc6803e1a61ad6a79585b2f4734c2c0d34487d634dd520d5c370028f6b71f1b833b7158baccb769d91573138ba759d751074e83420f8a3b423f6646a2e056fa6878c8c3922bbb9c25f4ae94414892ea50077e79d1f31ce795cda533c0f5eab7a7a760a606e4610cb63334d93f908eaefefd00ed3badfeaa2f1247ab49b2a2e84921999bdfe7b860a9b4e1cd9612bd6df354d4a32577bade49ce8269c0e9328838adfcc7f25deca52b2a76a726d0992eeba7d526605484c9f3b168e076feefa01ca0be2f174eb61ecfd2fcad6dd2fcf5892a4e4cb9f0b3079f992bec190b737587ba9e342039ab86beec87384286321c15035c016fb48605a3e6005655b5ada529a0635b08509418c8056dc16866f89899be67b6c3045683927adc0ace229f3d139d95f4ed77f9a255dcbb6fad12b30160dde5aec0adf72f9eafbfb3c85711aab8217e0f8cd5fc97aceabe0cc5643fd454eea352998df75b2e14a64e81774a976732a1c0985105a81531681517a6b81f5117a1a92ff527274b3ca2af3063c775f6e6efec99b6650a3250c89aac2f453606a5d8224f9b2dc9dd7ac43f2fcb120732b9d02703adc66c95ff9ad6c09702838f7559ca13a4e966babb435a375dcce4cc40b56c774069faaabadf0b495eaf6bc1538bc93dbd4dac0eee26e3444a765ede3dd559d16442ee030b7c63576c2bb90994772ec1a4824d8d9e0b9d7d54454cc5a1824dd23f1979c8a7be95ef3397cc5e2f6ccf6adb118fe6ec5a1ad72611f1e526a8bd9946718cc50d0567ff042a3079d581ee8dd2b5b76235f298656029602cc1b0ad59d2172779e4669f17cfa2594a5cb0208a9a46b9e1e09aaa5fed4d7ec67935f0163187805f2c351556bb3ca88dd2e28c727d5556b8e1443ec48c1100a62b130572feb25849a7d422070ce9fe49f0857521a6a8e0e3425ef9b1ca7770e7f2821536c28e0c0e9abcb0eabb0c4254262b0815004c00662fa7f59f2ebc92cea3b691dc11ffda10a4d0cfe4658e64080f45cd16195ba317139cc07966bda4d06b3b54c17e64a29fa08fb7c35366ccfa1f2c5dc8ce7b11362ecaf6057042d838e1dd2347439c2d85635410344fb781dee938d0963e4273d6baf6dbb2259c06a8e9b4a9b0853e08cb02d8ded22ca96b1bd10778bc0ddad6a33ee6438351dea604599fe7b01067eb0d0851c04091ed1031886eea33e1ee3fc2f7c2eee0983f01c210c9bd2de344ed579d3006f0911215193aa09b8e79bb59b2662a7056fdde32cb19f962f34294af3b8e7147cdd894eedec3e9f0b1d4ee6c736eba1421ef2547d9339b05b30af2a4621143eeae9a7533c1ce862df29b2940957c23f95d49c7d5635a2386add4e462603bb7ba7ed0700661705cb68d4c4fa3325ac01ef2976627fd903d917da71d5c36d9b73ad0c8349a1aeeb7ed2470ae77fa344e184677117b133c1bf248453a8a4ea265a450455223670b7ed824b9edf3e89719d3e78ff41696cf2f50da830b41f62a0ed7ef39cf44a6f6981be7f505a7628de35e029fc0cf54703744b5ecaed3fae208abf5947e225634b43f264e876cfa9dd0509255b91dacd0f692121ee3c14bf99cd1be3971e15aaa57d776b5a9cf8e7ed696824a464ca5391e7d71fd9c8da750b11b4a352c9f0c61181f43d938af1d53669d2db43bc8d1b97e33012773ceadbd60ec2328c0f235292b743f33f975d3513b7f3e593caf59f5d1ffba9c483c5e6b766b78098cf57876940166bc63c2893f369068a273f3fb05b7691704429f9082543bad0f7f4b63f797d2ee661cee24d4e803b9be36039190fe55ab2f1491f0d40b9107f203b43425cc7095560121e08adb6264fb7a4ea1cf51aa598ae379f61562d7dd10d9b1828b94a6f38649061d39ebeb78253277b861661a36fa2837a849e1305600d3d90531c2152a63a5565efb26b80d32cb7cede6e92404cc07c4e7e203533e2463d8662a251caf55e0561131aab13ae68a4f659f0eed119390dd3f26619a3211416d4b462138525b1453e97f763e8ef3a6a0f308d76db9ab4df324f5e73070b203cd891409b78f778905fb930f4d1960860a2333d7ef3e0121d2e8f50a4508f2eeec020a464618e2c73b55101e5ff8b86e4b3f4e172e1cab302f4b120720dae97f960d34a30b1c5c21630a9fbe804a7e47b93fd0afbff42fd1ffbb7ad8d0182231cb6dbba9184d90727c81c3637b196e54b8588da1afe39944935d37f8a80d8542ab1d40a4663ab7a290423b3eb33ad43e8539680fef408296e90967ef6f05b8c98bb62a9751ecde2c175a8059bd76b06ddf65f89a22d2b3b2aa0a6d8fb9f26ca3990cad8550b719f89ce4900ffd28b1e7fc1e6d5abe54038c9a6ea3691c8ec089b1cd093393962eb69a934ee154d451891a1d936c92ec7feb681b92a9600cf111e5faaab6bf5660447acc47be9664549cf9029bb824aeecf884bc90c0ea378112b697674043c8752d7197f5f908a0b8185393a8266c8f070fd4792ceb62840e34e504c5dad514986d787027da83f07e0bdb09850d197b1aa363115a17431290e9ca6c24d07174498320511b787ae94980d7e9c85e848d6a19787a14fce1480c50532b450a5a986a200b180e887be17e08ed5e7f71f5b60caa7debd1204dd339e5d70e2b6559536ec34c6128b5b64115e6916fdfe1c38032722f7a4d067e7d93bc2c424686ea071e45beeb2217268e0040f795e6cc0f574e533e06f615715c454da2e4c00827f814dcd24d5d62cbbde30e09148cbbd35cd14256502e50137f37bc46004821d505a342c11569cb71af5361cb4492ce0ca1fc1dbba019dbfbc383ada632c24d22371418afaec16c4f1965d7ebe0d13e1180b3802e2fa38e2ad6953436e781547b274cece4a3b256c5cd6282d3699bc88d9e1e6436d3cff4d11a4ee555388a9517ce2c7b07d4cc1ae68e35218f260fa762f58ed0af37d872143e14861592effcbe6f038fa86229b8f6c310d8d08ab4d5de3ed4940e7f87b365e02385cb531e89eaaabf07cbe395e5af2cd3fa03dbe4d4b837bbfd5455944a8ef340be0e3e3328478231335d61cf5ee322a563b2586585631b0053c3e6ed18b62ed568e6c66a584992592088042d9370da9a10c9b4270b9a50ed4cf579a0d0d1eb88cc409bafa69a5e9f88b5604b50f20fe76a8dc35e4cccd49c51230d455a49a9cd45b31e46536132adbf5c999ebfd47125852f4345809d5a3402dc59b086747a321fe7e71426ea2b2e514e4c17eab7f00fba46bf58536a89e2c89143db533056b7929fe69f110711aa73b5b7bafa91ab9447457acd7acca842746ad0b2e9b8f1395dce5278edcaf0dbbd26ad41f8de436a61a114cdd036a4bbe3edd8e9ec1cf9021424271becd4353794a86e26cdeb9b5c0e38ea7322fa50790cb9f81186ae04ff7dd9c85a9370b864da715114fe94bb7d4028dab0c8493cd03e3d51f2b31280e392246424bf32b1b156225c905cf53d98fd19763bf1645302cc7779bca4b327c15e34210f6774ffb04eaa29ee76fda827990538d1fa40d72757109139886c47ee8182c7f42aa5487107dd97fa25a9390840c11aefafcf1c9c38a10e129043ff2622877424e89ceedd1ccdf7412fc2dd2dc45d6d3e697a216ff0cd995bbabbf0a49ee8aed30c0269cdcfbba366199d4585fa5b83b38b9ac86aae7fd406448ad0f3b63643601be1ef4f34a99cfe42d90c181182ffd3a1ea3b3b92feabc086acaf1aa4065d1814a522ebda4bc5a3126a7e51cbcfb0c2d97b43a637ec4eaba4bc7198d6eccb612c581bf0824f28a1dc77709d6ec1eb9705e5c62197961d3c5edc4367e63843fed82099967c45ced4b5c32fb5ce76ffa34882a64d3827062be4b8764c33cea31b993d935d7e5bf890ddebac1be64d1b8ee4a07d373c32e7e96cf0f6c273d924f4acf136fe5dbacc628b58a2a1e9292bdaf1b0dd5630334354cc06b86e7bde3dcfb9b0039c12f96c64d063cd3ed7186987ffdbf8eef967fead41417e456827918c33e2a01e028b282dbffa623088ec8234c5caa376614e1aa8839f3f46e02800b17c23cc8f13b3b45b67f2fda79d036df8e179d7938231dad5cbeb3a0a943b30a895eaeef36c8c3e450a4f49115a516ae4d9c6d2e5fc71385d751183a30140259430bbc4e4f5417ba24c47c32cb2c84bfbb09c415fa469e968013f10708af73ebb1ed7bc65d26db57a4d33ac3283fbf81ee35e5a72fef23e32bf5004c85063ce85f8ff35cdc67cee038bddda21a564826c92992169fed707278d8a5e524854818f86e8e95369bd2bc38a52568bf090a48dd1591242ed22f90ff4b5c792843a668668b6174f9ae66645a15350c0941c52c94ed77fd873ceff494d6486852187039e8155ffb5712ea315969775ec23f26fcc8c9628c3c58b2001fa98427cf9af7bb829c6d0b3406b70fca2da8675028f9599fefaed966ca75c73bc443b5ba97b61df9092aa4709250c4d5e6b02be6bed92f266aafc13483dfabfefdeb3b3a8596034e50c6a42c0d5e76fab5352b104875714e6b87d29176386d7ec004b0c17f4f8a9d8bac63b01519027627201d544f999e07690039f451c98c0cbd7fe12c8d2e0645f3331c6a27f4ed6bf82652ddaaa5d3e7b5d47c5c42c9227569a0972634f22c6745d25b4cd4890d31d0058d57ba44cc05a6ebf0a25ad2e4a6a5663f425395ea604ff9fb8fe300a0d2ce7c065d01fa29e42a0e8255ebe499edbffd98a20ef86ee96509641c90754824900eb1af346046bff0e8cb4698a1507424adf65f0e7a1878313fb8a49392b51bda085b66b1662fab03d920f463b08fa6e01c4fd551852e9c65bfaf9e9be005d7cb9aa2837f9b728b78b0a62d454daca7db85d08f321e0b3f81238e366839157b7b3d5d46ca27f6417d4377f1047f42421e790c53481836df79b674c26edb5ae3acf1fecba21dab00665936f1a8c45d340b0cbdc270553d37a97fc52c6a451c1f328f1541988602d66ba2350a688a937b951bdfb2f59c898d5b458c4006652d316edd47c6d6ef3a49cddd66ef448b9ebfe82f9050d4452b28c5503e1371a16d488f446006c6b7fc158d0780a0c92f633f24097cea6d6a737f8b8e610edd456691ad88f09bc0e85868dfa63d7ad3ad26c6b749fbcd5b000f1abeb19babd37a05f1e908ec0feb9f2ec435cf53eafb1615c4798add52d8377ce7a52611cce7d9514cb0f0944b415e59bdbdf6f340c5e0f53c93f1cd736693643ad8dffeea4bd435216fe33ccdd8a7fc4635f97b01f940730abe4c9817283d2534b86e394aeec62008283657a7f3437b3e77711a164ac77bc1db01b2a9b17a997daa23fac7a54a7171b559d2d269cc7e8625b3f179d9c99c7e710b7cfb3efd88133d799c82a9d634f85f3b2f241db8fa66af3d940be5f8350e3f8f065efa1f3f7fdd2316689b033e149874272de54f1127e96b137a2ba0e1fe58f6e69cfb0ba778ba800bde9eca8f136e101e9c9b23a79c20c6aa19fe97b4b566ea46ddc1cd1687cc6fe541aea1c3102009efdc1a3f12cfd9341b2ba23a843a81b09cd581d1202ed5ed799e221c2fbf71af673b560167d4496c5720ecf90608a309d1da0184eb47068e6c34c1adf85c26f2a79e75b96a6d77b51cb1936eb823a1a310d82a5de49464ed934458e8ecdb421c0103f627061692967f92554e3542182ef9d41fedfff31b832606805d2938ff56249a194ee3699b67f4be73340c7f50643f50e51446488533e9ed5db29e69b78c9658241581b26392624f23becee69cf592945e366a0472ee9ea7a393b07b220b7484e25dd5d442e92c77d4ef0e236409dae7f8090205efb8058993fe775785998dd3d9b0da1562fbe182d3243119baa5e48c20d5d632e1faa3cbd02cd41e196ba9e94f936b5b1e52e7c73063ee688c503412611b9e30e41a20281d22b755333904a877ce0aab01ec69322b3ee22a580a5ebc2813adccf0a7726fd6de739e452049336b0d9bb50b4485f9f4222657e58f3fb7a709b7d544ced4f1e6183bf20e91f23e3a8b6de23d0fbc6b25ffba741996c9b39910d89169b92a0a24878f089d51d3bd4a2b9f2b30dd5ce0c97862590c3ac0d2cb5df4cafb12fbb1db063eb3995d43190c0290c332fb5c580d1954c912081efa8628a60e2df1ed04e8787196c2c47e0531da71501370c17c60f1a220562805cd20071284e5b3a7cd26d2a899d316263388614a6155f9138be87827939b463b94778bc41ae40c22aa0976e28fc481879dc398c50570d0de244943ee499ca0001b85bd1b784614418616581eb0503df241f23077054c083d658d16ab2230cd2071d7cd935403d480be656791dc57defad24cc4a63aea433f292907a800a051ad5583bdbce13b885811714f694b916f1afff71f36b1abfe4cb4cd73828510a55bb3f874ff34420a29587937fbd0c98189c5c77c1fa07a8a10c1484c8972326bafeec3a4f3a66f3233f5fb95607efca4455b8a7bf6ca3032ff9b0a2b5f73de54a07185b29fdadd0a62d5439d30c466cda09027aa3e683c68e60e38a4c6352abd67df5c618dcf2a1eeb91c046e345add805feca54ab6cd4b0f7ecadb3825a401ba62b96a2fe4d73afa3a207d532d9bd0405fede58cd1deb47c6545f8c2b8678c8f5017cc1ed3ad22f19e93b913e29e6321b2b97a8e198746fabf7960237f900b4e316b7db2278995e613ef7728ce645493144d6042f8e5d21b2a38f88dfaa13fe07b4d7a54938ce568142228f3ce0d5c979f990de62e822957201c726ad62cb1bf963dffc20b37b2fcb0e5f6bf426f163b45468ad3c38b52cf1d0577021b40a1f4f08996f45b45069ee0f1b6abb78766b601435fde2579045646203bd93d67a0af78b53e978f1aa9ccb2be5b3b9c5f97e2ae11d62688a757a03bfa229f508b57e7f65cf8e9748be265348ea67604d81924f1cdb93621b91b02e2819d3d41af98cdb0949130c907e5c6799e5879e14e486f0b72fb92b2ae3797d8218ab9e027e4650813945ed9e91ae94b94274c5524eedd36ad451a0ee1e507acd3f75c5d37ce1bec7b006d72d74bfb0dcd969425d9461c73c4e803e155ea9c765d'),
	(7, 1, 7, '2026-11-21 04:57:27.809691+00', '01a1fc77-6e00-7420-8144-180437e8c10e', 5, 'Happened', '\x0a889d010907000000000000001107000000000000001a2430316131666337372d366530302d373432302d383134342d31383034333765386331306522074f726465722d312a0848617070656e6564320c08b7c984d80610f8ce8b820342ab9c01', '\x7b2274657874223a227878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878227d'),
	(8, 8, 1, '2026-11-21 04:57:27.824896+00', '01a1fc77-6e10-7c04-ace3-83954e4ed81c', 7, 'Counted', '\x0a660908000000000000001101000000000000001a2430316131666337372d366531302d376330342d616365332d38333935346534656438316322074f726465722d302a07436f756e746564320c08b7c984d8061080d4ab8903420c', '\x7b226e756d626572223a307d'),
	(9, 1, 8, '2026-11-21 04:57:27.826723+00', '01a1fc77-6e12-7a70-bee0-61bc17cd14cc', 7, 'Counted', '\x0a660909000000000000001108000000000000001a2430316131666337372d366531322d376137302d626565302d36316263313763643134636322074f726465722d312a07436f756e746564320c08b7c984d80610b8959b8a03420c', '\x7b226e756d626572223a317d'),
	(10, 10, 1, '2026-11-21 04:57:27.827486+00', '01a1fc77-6e13-7ada-b12d-9496e34a7673', 7, 'Counted', '\x0a66090a000000000000001101000000000000001a2430316131666337372d366531332d376164612d623132642d39343936653334613736373322074f726465722d322a07436f756e746564320c08b7c984d80610b0dec98a03420c', '\x7b226e756d626572223a327d'),
	(11, 11, 1, '2026-11-21 04:57:27.828143+00', '01a1fc77-6e14-7f21-a263-27bf14e6b526', 7, 'Counted', '\x0a66090b000000000000001101000000000000001a2430316131666337372d366531342d376632312d613236332d32376266313465366235323622074f726465722d332a07436f756e746564320c08b7c984d8061098ebf18a03420c', '\x7b226e756d626572223a337d'),
	(12, 8, 2, '2026-11-21 04:57:27.829364+00', '01a1fc77-6e15-7ce1-8b48-1fdef9a2e71c', 7, 'Counted', '\x0a66090c000000000000001102000000000000001a2430316131666337372d366531352d376365312d386234382d31666465663961326537316322074f726465722d302a07436f756e746564320c08b7c984d80610a0aebc8b03420c', '\x7b226e756d626572223a347d'),
	(13, 1, 9, '2026-11-21 04:57:27.830028+00', '01a1fc77-6e15-75fe-8352-2cca9fbe1626', 7, 'Counted', '\x0a66090d000000000000001109000000000000001a2430316131666337372d366531352d373566652d383335322d32636361396662653136323622074f726465722d312a07436f756e746564320c08b7c984d80610e0f1e48b03420c', '\x7b226e756d626572223a357d'),
	(14, 10, 2, '2026-11-21 04:57:27.830622+00', '01a1fc77-6e16-77d9-b689-01611e0864c0', 7, 'Counted', '\x0a66090e000000000000001102000000000000001a2430316131666337372d366531362d373764392d623638392d30313631316530383634633022074f726465722d322a07436f756e746564320c08b7c984d80610b092898c03420c', '\x7b226e756d626572223a367d'),
	(15, 11, 2, '2026-11-21 04:57:27.831164+00', '01a1fc77-6e17-7210-b04c-91fd8b7f57d7', 7, 'Counted', '\x0a66090f000000000000001102000000000000001a2430316131666337372d366531372d373231302d623034632d39316664386237663537643722074f726465722d332a07436f756e746564320c08b7c984d80610e09caa8c03420c', '\x7b226e756d626572223a377d'),
	(16, 8, 3, '2026-11-21 04:57:27.831664+00', '01a1fc77-6e17-7e80-b53d-602b3b62696f', 7, 'Counted', '\x0a660910000000000000001103000000000000001a2430316131666337372d366531372d376538302d623533642d36303262336236323639366622074f726465722d302a07436f756e746564320c08b7c984d8061080dfc88c03420c', '\x7b226e756d626572223a387d'),
	(17, 1, 10, '2026-11-21 04:57:27.832158+00', '01a1fc77-6e18-7dd1-8858-2d7d88987bcf', 7, 'Counted', '\x0a66091100000000000000110a000000000000001a2430316131666337372d366531382d376464312d383835382d32643764383839383762636622074f726465722d312a07436f756e746564320c08b7c984d80610b0f2e68c03420c', '\x7b226e756d626572223a397d'),
	(18, 10, 3, '2026-11-21 04:57:27.832769+00', '01a1fc77-6e18-7f14-a33b-6abf217b86d0', 7, 'Counted', '\x0a670912000000000000001103000000000000001a2430316131666337372d366531382d376631342d613333622d36616266323137623836643022074f726465722d322a07436f756e746564320c08b7c984d80610e8978c8d03420d', '\x7b226e756d626572223a31307d'),
	(19, 11, 3, '2026-11-21 04:57:27.833282+00', '01a1fc77-6e19-7a2b-a240-bb90778f9962', 7, 'Counted', '\x0a670913000000000000001103000000000000001a2430316131666337372d366531392d376132622d613234302d62623930373738663939363222074f726465722d332a07436f756e746564320c08b7c984d80610d0bfab8d03420d', '\x7b226e756d626572223a31317d'),
	(20, 8, 4, '2026-11-21 04:57:27.833772+00', '01a1fc77-6e19-789e-94e5-b275763ff1ca', 7, 'Counted', '\x0a670914000000000000001104000000000000001a2430316131666337372d366531392d373839652d393465352d62323735373633666631636122074f726465722d302a07436f756e746564320c08b7c984d80610e0b3c98d03420d', '\x7b226e756d626572223a31327d'),
	(21, 1, 11, '2026-11-21 04:57:27.834263+00', '01a1fc77-6e1a-7f49-a1d8-a2c1003c9884', 7, 'Counted', '\x0a67091500000000000000110b000000000000001a2430316131666337372d366531612d376634392d613164382d61326331303033633938383422074f726465722d312a07436f756e746564320c08b7c984d80610d8afe78d03420d', '\x7b226e756d626572223a31337d'),
	(22, 10, 4, '2026-11-21 04:57:27.834729+00', '01a1fc77-6e1a-7380-a1f5-1740e1556a16', 7, 'Counted', '\x0a670916000000000000001104000000000000001a2430316131666337372d366531612d373338302d613166352d31373430653135353661313622074f726465722d322a07436f756e746564320c08b7c984d80610a8e8838e03420d', '\x7b226e756d626572223a31347d'),
	(23, 11, 4, '2026-11-21 04:57:27.835185+00', '01a1fc77-6e1b-769a-8265-06fb8becc9d2', 7, 'Counted', '\x0a670917000000000000001104000000000000001a2430316131666337372d366531622d373639612d383236352d30366662386265636339643222074f726465722d332a07436f756e746564320c08b7c984d80610e8d29f8e03420d', '\x7b226e756d626572223a31357d'),
	(24, 8, 5, '2026-11-21 04:57:27.835838+00', '01a1fc77-6e1b-7713-b623-2efef029625f', 7, 'Counted', '\x0a670918000000000000001105000000000000001a2430316131666337372d366531622d373731332d623632332d32656665663032393632356622074f726465722d302a07436f756e746564320c08b7c984d80610b0c0c78e03420d', '\x7b226e756d626572223a31367d'),
	(25, 1, 12, '2026-11-21 04:57:27.836418+00', '01a1fc77-6e1c-7f9d-8858-08e258dc5e11', 7, 'Counted', '\x0a67091900000000000000110c000000000000001a2430316131666337372d366531632d376639642d383835382d30386532353864633565313122074f726465722d312a07436f756e746564320c08b7c984d80610d0f3ea8e03420d', '\x7b226e756d626572223a31377d'),
	(26, 10, 5, '2026-11-21 04:57:27.836976+00', '01a1fc77-6e1c-754c-87a5-3c62c3225282', 7, 'Counted', '\x0a67091a000000000000001105000000000000001a2430316131666337372d366531632d373534632d383761352d33633632633332323532383222074f726465722d322a07436f756e746564320c08b7c984d8061080fb8c8f03420d', '\x7b226e756d626572223a31387d'),
	(27, 11, 5, '2026-11-21 04:57:27.837467+00', '01a1fc77-6e1d-784c-914c-d30706f2de29', 7, 'Counted', '\x0a67091b000000000000001105000000000000001a2430316131666337372d366531642d373834632d393134632d64333037303666326465323922074f726465722d332a07436f756e746564320c08b7c984d80610f8f6aa8f03420d', '\x7b226e756d626572223a31397d'),
	(28, 28, 1, '2026-11-21 04:57:27.837979+00', '01a1fc77-6e1d-7727-ae5f-27c33b82a51d', 3, 'Reserved', '\x0a5d091c000000000000001101000000000000001a2430316131666337372d366531642d373732372d616535662d323763333362383261353164220753746f636b2d312a085265736572766564320c08b7c984d80610f896ca8f034202', '\x7b7d'),
	(29, 28, 2, '2026-11-21 04:57:27.837979+00', '01a1fc77-6e1d-7560-972f-4ec93adc467d', 1, 'Reserved', '\x0a5d091d000000000000001102000000000000001a2430316131666337372d366531642d373536302d393732662d346563393361646334363764220753746f636b2d312a085265736572766564320c08b7c984d80610f896ca8f034202', '\x7b7d'),
	(30, 30, 1, '2026-11-21 04:57:27.837979+00', '01a1fc77-6e1d-71f3-ad24-c53c04595417', 5, 'Reserved', '\x0a5b091e000000000000001101000000000000001a2430316131666337372d366531642d373166332d616432342d63353363303435393534313722054f726465722a085265736572766564320c08b7c984d80610f896ca8f034202', '\x7b7d'),
	(34, 31, 4, '2026-11-21 04:57:27.838839+00', '01a1fc77-6e1e-7265-ac62-7403f0cc9658', 1, 'Happened', '\x0a600922000000000000001104000000000000001a2430316131666337372d366531652d373236352d616336322d37343033663063633936353822054375742d312a0848617070656e6564320c08b7c984d80610d8d5fe8f034207', '\x7b226e223a337d'),
	(35, 31, 5, '2026-11-21 04:57:27.838839+00', '01a1fc77-6e1e-773c-9e2e-b40be38a2444', 5, 'Happened', '\x0a600923000000000000001105000000000000001a2430316131666337372d366531652d373733632d396532652d62343062653338613234343422054375742d312a0848617070656e6564320c08b7c984d80610d8d5fe8f034207', '\x7b226e223a347d'),
	(61, 46, 6, '2026-11-21 04:57:27.852217+00', '01a1fc77-6e2c-7203-93e9-1d7f30c08b41', 7, 'Happened', '\x0a69093d000000000000001106000000000000001a2430316131666337372d366532632d373230332d393365392d3164376633306330386234312207416761696e2d312a0848617070656e6564320c08b7c984d80610a899af9603420e', '\x7b22616761696e223a747275657d'),
	(62, 36, 6, '2026-11-21 04:57:27.853007+00', '01a1fc77-6e2c-77c6-a3b5-b2471bbf7b00', 7, 'Happened', '\x0a5b093e000000000000001106000000000000001a2430316131666337372d366532632d373763362d613362352d62323437316262663762303022054375742d322a0848617070656e6564320c08b7c984d8061098b5df96034202', '\x7b7d');


--
-- Data for Name: log; Type: TABLE DATA; Schema: mink_frozen; Owner: -
--

INSERT INTO mink_frozen.log VALUES
	(true, '04346af7-f7e0-481d-a59f-4f985d621c2d', '2026-11-21 04:57:27.744421+00');


--
-- Data for Name: migrations; Type: TABLE DATA; Schema: mink_frozen; Owner: -
--

INSERT INTO mink_frozen.migrations VALUES
	(1, 'log', '2026-11-21 04:57:27.744421+00'),
	(2, 'append', '2026-11-21 04:57:27.744421+00'),
	(3, 'remove', '2026-11-21 04:57:27.744421+00'),
	(4, 'event_log', '2026-11-21 04:57:27.744421+00');


--
-- Data for Name: removed; Type: TABLE DATA; Schema: mink_frozen; Owner: -
--

INSERT INTO mink_frozen.removed VALUES
	(true, 63);


--
-- Data for Name: snapshots; Type: TABLE DATA; Schema: mink_frozen; Owner: -
--

INSERT INTO mink_frozen.snapshots VALUES
	(1, 7, '2026-11-21 04:57:27.853618+00', true, '{"ü": "", "revision": "1"}', '\x7b2262223a312c202261223a327d'),
	(10, 1, '2026-11-21 04:57:27.854182+00', false, '{}', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');


--
-- Data for Name: streams; Type: TABLE DATA; Schema: mink_frozen; Owner: -
--

INSERT INTO mink_frozen.streams VALUES
	(1, 0, false, false, 'Order-1', 'Order'),
	(8, 0, false, false, 'Order-0', 'Order'),
	(10, 0, false, false, 'Order-2', 'Order'),
	(11, 0, false, false, 'Order-3', 'Order'),
	(28, 0, false, false, 'Stock-1', 'Stock'),
	(30, 0, false, false, 'Order', 'Order'),
	(31, 3, false, false, 'Cut-1', 'Cut'),
	(36, 5, false, false, 'Cut-2', 'Cut'),
	(41, 5, true, false, 'Gone-1', 'Gone'),
	(46, 5, true, false, 'Again-1', 'Again'),
	(51, 5, true, true, 'Never-1', 'Never'),
	(56, 5, true, false, 'Last-1', 'Last'),
	(63, 1, true, false, 'Last-2', 'Last');


--
-- Name: events events_event_id; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.events
    ADD CONSTRAINT events_event_id UNIQUE (event_id);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.events
    ADD CONSTRAINT events_pkey PRIMARY KEY ("position");


--
-- Name: events events_stream_version; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.events
    ADD CONSTRAINT events_stream_version UNIQUE (stream_id, version);


--
-- Name: log log_pkey; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (only_row);


--
-- Name: migrations migrations_pkey; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);


--
-- Name: removed removed_pkey; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.removed
    ADD CONSTRAINT removed_pkey PRIMARY KEY (only_row);


--
-- Name: snapshots snapshots_pkey; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (stream_id);


--
-- Name: streams streams_name_key; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.streams
    ADD CONSTRAINT streams_name_key UNIQUE (name);


--
-- Name: streams streams_pkey; Type: CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (stream_id);


--
-- Name: streams_with_removals; Type: INDEX; Schema: mink_frozen; Owner: -
--

CREATE INDEX streams_with_removals ON mink_frozen.streams USING btree (stream_id) WHERE (floor > 0);


--
-- Name: snapshots snapshots_stream_id_fkey; Type: FK CONSTRAINT; Schema: mink_frozen; Owner: -
--

ALTER TABLE ONLY mink_frozen.snapshots
    ADD CONSTRAINT snapshots_stream_id_fkey FOREIGN KEY (stream_id) REFERENCES mink_frozen.streams(stream_id);


--
-- PostgreSQL database dump complete
--


