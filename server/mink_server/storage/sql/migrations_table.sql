-- Makes the schema and the table of applied migrations, if they are not there.
do $$
begin
    -- `create schema if not exists` would ask for the right to create one also where it is there.
    if to_regnamespace('{schema}') is null then
        create schema {schema};
    end if;
end $$;
create table if not exists {schema}.migrations (
    number integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
)
