-- Workers that live.
--
--   $1  when they were seen
--   $2  until when they count as connected
--   $3  names of projections
--   $4  ids of the workers, side by side with $3
--   $5  whether they take no more leases
update {schema}.projection_workers w
set seen_at = $1, seen_until = $2, leaving = g.leaving
from unnest($3::text[], $4::text[], $5::boolean[]) as g (name, worker, leaving)
where w.name = g.name and w.worker = g.worker
