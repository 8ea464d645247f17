-- Workers that are gone.
--
--   $1  names of projections
--   $2  ids of the workers, side by side with $1
delete from {schema}.projection_workers w
using unnest($1::text[], $2::text[]) as g (name, worker)
where w.name = g.name and w.worker = g.worker
