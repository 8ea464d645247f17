-- Appends a batch; the parameters and the answer are described at append_v1, in migrations/0002_append.up.sql.
select outcomes, versions, positions, conflicts, head
from {schema}.append_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
