-- Removes the log and everything in it.
drop table {schema}.snapshots;
drop table {schema}.events;
drop table {schema}.streams;
drop table {schema}.removed;
drop table {schema}.log;
