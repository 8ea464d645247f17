-- Marks events of a stream as removed; the rows are deleted afterwards, in steps, without the lock.
--
--   p_stream     the stream's name
--   p_expected   as in append_v1
--   p_before     truncation: the first version to keep; null: delete the stream
--   p_tombstone  deletion: nothing may be appended under this name ever again
--
--   outcome      0 done, 2 not as expected, 4 tombstoned already, 5 not there, 6 deleted already, 7 p_before beyond the version + 1
--   version      the version that the stream has, or had
create function {schema}.remove_v1(
    p_stream text, p_expected bigint, p_before bigint, p_tombstone boolean,
    out outcome smallint, out version bigint, out stream_id bigint, out floor bigint
) language plpgsql volatile
set search_path = pg_catalog
set lock_timeout = '10s'
as $$
#variable_conflict use_column
declare
    s record;
    v_newest bigint;
begin
    perform pg_advisory_xact_lock(1835625067, '{schema}.events'::regclass::oid::integer);
    outcome := 0;
    version := 0;
    select * into s from {schema}.streams y where y.name = p_stream;
    if not found then
        outcome := 5;
        return;
    end if;
    stream_id := s.stream_id;
    select x.version into v_newest from {schema}.events x where x.stream_id = s.stream_id order by x.version desc limit 1;
    version := greatest(v_newest, s.floor);
    floor := s.floor;
    if s.tombstoned then
        outcome := 4;
    elsif s.deleted and coalesce(v_newest, 0) <= s.floor then
        if p_before is null and p_tombstone then
            update {schema}.streams y set tombstoned = true where y.stream_id = s.stream_id;
        else
            outcome := 6;
        end if;
    elsif p_expected = -2 or (p_expected >= 0 and p_expected <> version) then
        outcome := 2;
    elsif p_before > version + 1 then
        outcome := 7;
    else
        floor := greatest(s.floor, coalesce(p_before - 1, version));
        update {schema}.streams y
        set floor = remove_v1.floor, deleted = p_before is null, tombstoned = p_before is null and p_tombstone
        where y.stream_id = s.stream_id;
        update {schema}.removed z
        set position = greatest(z.position, (select x.position from {schema}.events x order by x.position desc limit 1));
        if p_before is null then
            delete from {schema}.snapshots y where y.stream_id = s.stream_id;
        end if;
        perform pg_notify('{channel}', 'removed');
    end if;
end $$;
