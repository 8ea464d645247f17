-- Forgets parked events of the live build; answers with how many.
--
--   $1  name
--   $2  positions; null: all
with dropped as (
    delete from {schema}.projection_parked k
    using {schema}.projections p
    where p.name = $1 and k.name = p.name and k.build = p.live_build and ($2::bigint[] is null or k.position = any($2))
    returning 1
)
select count(*) from dropped
