-- Makes the schema and the table of applied migrations, if they are not there.
create schema if not exists {schema};
create table if not exists {schema}.migrations (
    number integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
)
