-- Whether there is a projection of a name.
--
--   $1  name
select 1 from {schema}.projections where name = $1
