-- Removes append_v1 and what it needs.
drop function {schema}.append_v1(
    timestamptz, text, integer[], integer[], text[], integer[], bigint[], integer[], integer[], integer[], uuid[], text[], smallint[],
    bytea[], bytea[], bytea[]
);
drop function {schema}.fixed64(bigint);
