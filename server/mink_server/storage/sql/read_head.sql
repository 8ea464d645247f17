-- The newest position ever given, and the log's id.
select greatest((select e.position from {schema}.events e order by e.position desc limit 1), r.position) as head, l.id::text as log_id
from {schema}.removed r, {schema}.log l
