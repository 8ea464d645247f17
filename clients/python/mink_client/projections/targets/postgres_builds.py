"""Schemas of read models in Postgres: one for each build, the views that readers use, and emptying one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mink_client.projections.problems import DefinitionError
from mink_client.projections.targets.postgres_tables import NAMES, quoted

if TYPE_CHECKING:
    from mink_client.projections.lease import Lease
    from mink_client.projections.targets.postgres_tables import AnyConnection

_READABLE: Final = "('r', 'p', 'v', 'm', 'f')"
_OF_EXTENSION: Final = (
    "exists (select from pg_depend d where d.classid = '{0}'::regclass and d.objid = {1}.oid and d.deptype = 'e')"
)

# What can be read in a build's schema, and whether the view of that name shows exactly it, in the same columns.
_RELATIONS: Final = """
select c.relname::text as name, exists (
    select from pg_class v
    join pg_rewrite r on r.ev_class = v.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
    where v.relnamespace = to_regnamespace($2) and v.relname = c.relname and v.relkind = 'v'
        and (select array_agg(attname order by attnum) from pg_attribute where attrelid = v.oid and attnum > 0)
          = (select array_agg(attname order by attnum) from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped)
) as shown
from pg_class c
where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.relname"""

# Views that show something of another build of the projection.
_STALE_VIEWS: Final = """
select distinct v.relname::text as name
from pg_class v
join pg_rewrite r on r.ev_class = v.oid
join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
join pg_class c on c.oid = d.refobjid and c.relnamespace <> v.relnamespace and c.relnamespace <> to_regnamespace($2)
join pg_namespace n on n.oid = c.relnamespace
where v.relnamespace = to_regnamespace($1) and v.relkind = 'v' and obj_description(n.oid, 'pg_namespace')
    = 'Mink: build ' || substring(n.nspname from '_b([0-9]+)(?:_old)?$') || ' of projection ' || $3
order by 1"""

_GRANTS: Final = """
select c.relname::text as name, format('grant %s on %I.%I to %s%s', a.privilege_type, c.relnamespace::regnamespace, c.relname,
    case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
    case when a.is_grantable then ' with grant option' else '' end) as sql
from pg_class c, aclexplode(c.relacl) a
where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and a.grantee <> c.relowner and c.relname <> all ($2)"""

_DROPS: Final = """
select format('drop %s if exists %I.%I cascade', case c.relkind when 'v' then 'view' when 'm' then 'materialized view'
    when 'f' then 'foreign table' when 'S' then 'sequence' when 'c' then 'type' else 'table' end, n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and c.relname <> all ($2)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
union all
select format('drop routine if exists %s cascade', p.oid::regprocedure)
from pg_proc p where p.pronamespace = to_regnamespace($1) and not exists (select from pg_depend d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
union all
select format('drop type if exists %I.%I cascade', n.nspname, t.typname)
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where t.typnamespace = to_regnamespace($1) and t.typtype in ('e', 'd', 'r') and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')"""

_OLD_BUILDS: Final = (
    "select nspname::text as name, obj_description(oid, 'pg_namespace') as note from pg_namespace where nspname ~ $1"
)


def schema_of_build(schema: str, build: int) -> str:
    """The schema of a build.

    Args:
        schema: The one that readers use.
        build: The build.
    """
    return f"{schema}_b{build}"


def _note(projection: str, build: int) -> str:
    return f"Mink: build {build} of projection {projection}"


async def make_build(connection: AnyConnection, schema: str, lease: Lease) -> None:
    """Makes the schema of a build, if it is not there.

    Args:
        connection: In a transaction.
        schema: The one that readers use.
        lease: The lease.

    Raises:
        DefinitionError: It is there, and somebody else's.
    """
    name, note = schema_of_build(schema, lease.build), _note(lease.projection, lease.build)
    sql = "select oid, obj_description(oid, 'pg_namespace') as note from pg_namespace where nspname = $1"
    found = await connection.fetchrow(sql, name)
    if found is None:
        literal = await connection.fetchval("select quote_literal($1::text)", note)
        await connection.execute(f"create schema {quoted(name)}; comment on schema {quoted(name)} is {literal}")
    elif found["note"] != note:
        raise DefinitionError("target", f"the schema {name} is there, and is not of this projection; choose another `schema`")


async def show_build(connection: AnyConnection, schema: str, lease: Lease) -> None:
    """Makes the views in the schema that readers use show a build, and nothing of others.

    Args:
        connection: In a transaction.
        schema: The one that readers use.
        lease: The lease, on that build.
    """
    base, data = quoted(schema), quoted(schema_of_build(schema, lease.build))
    grants: list[tuple[str, str]] | None = None
    for name, shown in await connection.fetch(_RELATIONS, data, base):
        if shown:
            continue
        view, select = f"{base}.{quoted(name)}", f"select * from {data}.{quoted(name)}"  # noqa: S608 - quoted
        if await _replaced(connection, view, select):
            continue
        if grants is None:
            grants = await grants_in(connection, schema)
        await connection.execute(f"drop view {view}; create view {view} as {select}")
        await grant(connection, schema, [(relation, sql) for relation, sql in grants if relation == name])
    for (name,) in await connection.fetch(_STALE_VIEWS, base, data, lease.projection):
        await connection.execute(f"drop view {base}.{quoted(name)}")


async def _replaced(connection: AnyConnection, view: str, select: str) -> bool:
    """Whether the view could stay, with what is granted on it: it cannot if a column is gone, or is another one."""
    from asyncpg.exceptions import InvalidTableDefinitionError  # noqa: PLC0415 - not needed for the other targets

    try:
        async with connection.transaction():
            await connection.execute(f"create or replace view {view} as {select}")
    except InvalidTableDefinitionError:
        return False
    return True


async def drop_builds_before(connection: AnyConnection, schema: str, lease: Lease) -> None:
    """Drops the schemas of older builds.

    Args:
        connection: In a transaction.
        schema: The one that readers use.
        lease: A lease on the live build.
    """
    for name, note in await connection.fetch(_OLD_BUILDS, f"^{_pattern(schema)}_b[0-9]{{1,18}}$"):
        build = int(name.rpartition("_b")[2])
        if build < lease.build and name == schema_of_build(schema, build) and note == _note(lease.projection, build):
            await connection.execute(f"drop schema if exists {quoted(name)} cascade")  # another partition may have just done so


async def set_aside(connection: AnyConnection, schema: str, lease: Lease) -> str:
    """Puts the schema of a build away under another name, so that it can be made anew; answers with that name.

    Args:
        connection: In a transaction.
        schema: The one that readers use.
        lease: The lease, on that build.
    """
    name = schema_of_build(schema, lease.build)
    aside = f"{name}_old"
    await connection.execute(f"alter schema {quoted(name)} rename to {quoted(aside)}")
    return aside


async def empty(connection: AnyConnection, schema: str) -> None:
    """Drops everything in a schema but Mink's own tables.

    Args:
        connection: In a transaction.
        schema: The schema. It stays, with what is granted on it.
    """
    for (sql,) in await connection.fetch(_DROPS, quoted(schema), list(NAMES)):
        await connection.execute(sql)


async def grants_in(connection: AnyConnection, schema: str) -> list[tuple[str, str]]:
    """What is granted on tables and views: pairs of a name, and the SQL that grants it again.

    Args:
        connection: A connection.
        schema: The schema.
    """
    return [(name, sql) for name, sql in await connection.fetch(_GRANTS, quoted(schema), list(NAMES))]


async def grant(connection: AnyConnection, schema: str, grants: list[tuple[str, str]]) -> None:
    """Grants again what was granted, on what is there again.

    Args:
        connection: In a transaction.
        schema: The schema.
        grants: What `grants_in` gave.
    """
    for name, sql in grants:
        if await connection.fetchval("select to_regclass($1) is not null", f"{quoted(schema)}.{quoted(name)}"):
            await connection.execute(sql)


def _pattern(text: str) -> str:
    return "".join(character if character.isalnum() or character == "_" else f"\\{character}" for character in text)
