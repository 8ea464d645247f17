-- What belongs to projections as a whole.
--
--   $1  names
--   $2  whether they are paused
--   $3  tokens of their newest leases
--   $4  leases up to this token are to be given back
update {schema}.projections p
set paused = g.paused, last_token = g.last_token, restart_token = g.restart_token
from unnest($1::text[], $2::boolean[], $3::bigint[], $4::bigint[]) as g (name, paused, last_token, restart_token)
where p.name = g.name
