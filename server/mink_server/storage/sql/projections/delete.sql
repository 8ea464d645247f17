-- Forgets a projection.
--
--   $1  name
delete from {schema}.projections where name = $1
