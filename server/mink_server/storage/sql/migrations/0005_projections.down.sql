-- Removes projections: checkpoints, errors, parked events. Read models are elsewhere, and stay.
drop table {schema}.projection_numbers;
drop table {schema}.projection_replayed;
drop table {schema}.projection_parked;
drop table {schema}.projection_workers;
drop table {schema}.projection_partitions;
drop table {schema}.projection_builds;
drop table {schema}.projections;
