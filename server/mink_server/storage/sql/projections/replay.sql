-- Marks parked events of the live build to be tried again, and tells other servers.
--
--   $1  name
--   $2  positions; null: all
--   $3  events at most
--   $4  this server's id
with told as (
    select pg_notify('{projections}', $4::text || ' ' || $1::text)
), marked as (
    update {schema}.projection_parked k set replaying = true
    from (
        select x.name, x.build, x.position
        from {schema}.projections p
        join {schema}.projection_parked x on x.name = p.name and x.build = p.live_build
        where p.name = $1 and ($2::bigint[] is null or x.position = any($2))
        order by x.position
        limit $3
        for update of x
    ) as g
    where k.name = g.name and k.build = g.build and k.position = g.position
    returning k.name, k.build, k.position
), forgotten as (
    -- What was handled long ago, or is parked again since.
    delete from {schema}.projection_replayed r
    where r.name = $1 and (r.handled_at < now() - interval '5 minutes' or (r.name, r.build, r.position) in (select * from marked))
)
select m.position from marked m, told order by m.position
