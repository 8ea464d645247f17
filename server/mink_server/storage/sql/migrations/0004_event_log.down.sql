-- Removes the view event_log and what it needs.
drop view {schema}.event_log;
drop function {schema}.jsonb_or_null(bytea);
drop function {schema}.envelope_metadata(bytea);
drop function {schema}.varint(bytea, integer);
