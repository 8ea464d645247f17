-- The view event_log, and what it needs.

-- The length of the varint at p_at (from 0), in bytes, and its value.
create function {schema}.varint(p_bytes bytea, p_at integer, out length integer, out value bigint)
language plpgsql immutable strict parallel safe as $$
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

-- The metadata in an event's envelope. For people; readers get the bytes as they are.
create function {schema}.envelope_metadata(p_envelope bytea) returns jsonb
language plpgsql immutable strict parallel safe as $$
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
    v := {schema}.varint(p_envelope, v_at);
    v_at := v_at + v.length;
    v_end := length(p_envelope);
    while v_at < v_end loop
        v_tag := get_byte(p_envelope, v_at);
        v_at := v_at + 1;
        if v_tag & 7 = 1 then
            v_at := v_at + 8;
            continue;
        end if;
        v := {schema}.varint(p_envelope, v_at);
        v_at := v_at + v.length;
        if v_tag >> 3 = 7 then
            v_entry_end := v_at + v.value;
            v_key := '';
            v_value := '';
            while v_at < v_entry_end loop
                v_tag := get_byte(p_envelope, v_at);
                v := {schema}.varint(p_envelope, v_at + 1);
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

-- The JSON text as jsonb, or null where jsonb cannot hold it (\u0000, numbers beyond its range).
create function {schema}.jsonb_or_null(p_text bytea) returns jsonb
language plpgsql immutable strict parallel safe as $$
begin
    return convert_from(p_text, 'UTF8')::jsonb;
exception when data_exception or program_limit_exceeded then
    return null;
end $$;

-- The log for people and for SQL.
create view {schema}.event_log as
select
    e.position,
    s.name as stream,
    s.category,
    e.version,
    e.event_id as id,
    e.type,
    e.recorded_at,
    {schema}.envelope_metadata(e.envelope) as metadata,
    case when e.flags & 1 <> 0 then {schema}.jsonb_or_null(e.payload) end as json,
    case when e.flags & 1 <> 0 then convert_from(e.payload, 'UTF8') end as json_text,
    case when e.flags & 1 = 0 then e.payload end as payload
from {schema}.events e
join {schema}.streams s on s.stream_id = e.stream_id;
