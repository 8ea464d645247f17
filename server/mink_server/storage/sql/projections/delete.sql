-- Forgets a projection, but for the number of its last build; and the numbers of those that were deleted longest ago.
--
--   $1  name
--   $2  numbers at most
with gone as (
    delete from {schema}.projections where name = $1 returning name, last_build
), old as (
    delete from {schema}.projection_numbers where name in (
        select n.name from {schema}.projection_numbers n where n.name <> $1 order by n.deleted_at desc offset $2::int - 1
    )
)
insert into {schema}.projection_numbers as n (name, last_build) select name, last_build from gone
on conflict (name) do update set last_build = greatest(n.last_build, excluded.last_build), deleted_at = excluded.deleted_at
