-- The newest position ever given, and the newest that removals know of.
select greatest((select e.position from {schema}.events e order by e.position desc limit 1), r.position) as head, r.position as removed
from {schema}.removed r
