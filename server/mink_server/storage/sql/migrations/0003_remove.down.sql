-- Removes remove_v1.
drop function {schema}.remove_v1(text, bigint, bigint, boolean);
