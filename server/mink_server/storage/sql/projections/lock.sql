-- Locks projections: whoever changes more than one partition of one has its lock first. Always in the same order.
--
--   $1  names
select p.name from {schema}.projections p where p.name = any($1::text[]) order by p.name for update
