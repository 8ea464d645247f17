-- Looks for the first position without an event that no removal accounts for: up to each position, there can be no more holes than
-- events that were removed from the streams begun so far.
--
--   $1, $2  positions after $1 up to $2
--   $3      what is left over before them: removed events minus holes
--
-- Answers with the position (null: not among these) and with what is left over at the end.
with changes as (
    select p.position, coalesce(s.floor - x.there, 0) - case when e.position is null then 1 else 0 end as change
    from generate_series($1::bigint + 1, $2::bigint) as p (position)
    left join {schema}.events e on e.position = p.position
    left join {schema}.streams s on s.stream_id = p.position and s.floor > 0
    left join lateral (
        select count(*) as there from {schema}.events y where y.stream_id = s.stream_id and y.version <= s.floor
    ) as x on true
), sums as (
    select position, $3::bigint + sum(change) over (order by position rows unbounded preceding) as left_over from changes
)
select min(position) filter (where left_over < 0) as position, (array_agg(left_over order by position desc))[1]::bigint as left_over
from sums
