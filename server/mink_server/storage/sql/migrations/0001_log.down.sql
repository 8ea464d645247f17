-- Removes the log and everything in it.
drop view {schema}.event_log;
drop function {schema}.jsonb_or_null(bytea);
drop function {schema}.envelope_metadata(bytea);
drop function {schema}.varint(bytea, integer);
drop function {schema}.remove_v1(text, bigint, bigint, boolean);
drop function {schema}.append_v1(
    timestamptz, text, integer[], integer[], text[], integer[], bigint[], integer[], integer[], integer[], uuid[], text[], smallint[],
    bytea[], bytea[], bytea[]
);
drop function {schema}.fixed64(bigint);
drop table {schema}.snapshots;
drop table {schema}.events;
drop table {schema}.streams;
drop table {schema}.removed;
drop table {schema}.log;
