-- Keeps a stream from being deleted until the transaction ends.
--
--   $1  the stream's name
select from {schema}.streams s where s.name = $1 for share
