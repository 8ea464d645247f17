-- How far builds are.
--
--   $1, $2  name, build
--   $3      phase
--   $4      target; null: no rebuild is under way
--   $5      when the rebuild began
update {schema}.projection_builds b
set phase = g.phase, target = g.target, rebuild_began_at = g.rebuild_began_at
from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::timestamptz[]) as g (name, build, phase, target, rebuild_began_at)
where b.name = g.name and b.build = g.build
