-- Tells other servers that something about projections has changed. A transaction says the same thing only once.
--
--   $1  this server's id
--   $2  names
select pg_notify('{projections}', $1::text || ' ' || g.name) from unnest($2::text[]) as g (name)
