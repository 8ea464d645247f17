"""Logs of older releases: migrated they are as new ones, what is in them is untouched, and nobody has to stop for it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from mink.v1.event_store_pb2 import ReadAllResponse
from mink_server.core.errors import StreamDeletedError
from mink_server.core.expectations import NO_STREAM
from mink_server.storage import migrations
from mink_server.storage.database import Database
from mink_server.storage.migrations import Migration, Migrations
from mink_server.storage.verification import Verification

from tests.reliability.load import Workload
from tests.storage.conftest import StoredLog, event
from tests.storage.schemas import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess


@pytest.fixture(params=frozen.RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def old_log(any_postgres: Postgres, release: str) -> AsyncIterator[StoredLog]:
    """A log that a release made, with what it wrote, migrated."""
    schema = any_postgres.new_schema()
    await frozen.load(any_postgres.dsn, schema, release)
    database = Database(any_postgres.dsn, pool_size=2)
    await database.open()
    await Migrations(database, schema).up()
    log = StoredLog(database, schema)
    await log.start()
    yield log
    await log.close()
    any_postgres.drop(schema)


def events_in(frames: str) -> list[Any]:
    return list(ReadAllResponse.FromString(bytes.fromhex(frames)).events)


async def test_what_a_release_wrote_reads_back_byte_for_byte(old_log: StoredLog, release: str) -> None:
    now, then = await frozen.what_is_there(old_log), frozen.content(release)
    assert events_in(now["frames"]) == events_in(then["frames"])
    assert now["frames"] == then["frames"]
    assert {key: now[key] for key in then} == then
    verdict = await Verification(old_log.database, old_log.schema).run(lambda _: None)
    assert verdict.fault is None
    assert (verdict.head, verdict.events) == (then["head"], len(events_in(then["frames"])))


async def test_a_log_that_a_release_wrote_goes_on(old_log: StoredLog, release: str) -> None:
    then = frozen.content(release)
    last = next(one for one in reversed(events_in(then["frames"])) if one.stream == "Again-1")
    again = await old_log.append("Again-1", event(payload=last.json.encode(), event_id=last.id), expected=NO_STREAM)
    assert (again.replayed, again.last_position) == (True, last.position)
    for stream in then["streams"]:
        if stream["tombstoned"]:
            with pytest.raises(StreamDeletedError):
                await old_log.append(stream["stream"], event())
            continue
        # A stream that was deleted begins anew for its callers, and its versions go on.
        expected = 0 if stream["deleted"] else stream["version"]
        done = await old_log.append(stream["stream"], event(), expected=expected)
        assert done.writes[0].version == stream["version"] + 1
    written = sum(not stream["tombstoned"] for stream in then["streams"])
    assert (await old_log.reader.head()).position == then["head"] + written
    assert (await Verification(old_log.database, old_log.schema).run(lambda _: None)).fault is None


# Whatever a schema has, by the name of the schema.
CATALOG = """
select 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' '
    || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' ' || a.attcompression::text || ' ' || coalesce(l.collname, '')
from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
left join pg_collation l on l.oid = a.attcollation
where c.relnamespace = $1::text::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped
union all
select 'table', relname, relkind::text || coalesce(reloptions::text, '') || relpersistence::text
from pg_class where relnamespace = $1::text::regnamespace and relkind not in ('i', 't')
union all
select 'index', indexname, indexdef from pg_indexes where schemaname = $1
union all
select 'constraint', conname, pg_get_constraintdef(oid) from pg_constraint
where connamespace = $1::text::regnamespace and contype <> 'n'
union all
select 'view', viewname, definition from pg_views where schemaname = $1
union all
select 'function', oid::regprocedure::text, pg_get_functiondef(oid) from pg_proc where pronamespace = $1::text::regnamespace
union all
select 'trigger', tgname, pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
where c.relnamespace = $1::text::regnamespace and not tgisinternal
union all
select 'migration', number::text, name from {schema}.migrations
order by 1, 2
"""


async def test_a_migrated_schema_is_as_a_new_one(old_log: StoredLog, any_postgres: Postgres) -> None:
    """Whoever changes a migration that was released finds out here."""
    new = any_postgres.new_schema()
    try:
        await Migrations(old_log.database, new).up()

        async def what(schema: str) -> list[list[str]]:
            rows = await old_log.database.fetch(CATALOG.replace("{schema}", schema), schema)
            return [[re.sub(rf"\b(mink_)?{schema}\b", r"\1S", part) for part in row] for row in rows]

        upgraded, fresh = await what(old_log.schema), await what(new)
        assert len(fresh) > 40
        assert upgraded == fresh
    finally:
        any_postgres.drop(new)


# What the next release might bring: a column, an index, another append, a view.
NEXT = {
    "up": """
        alter table {schema}.events add column later text;
        alter table {schema}.streams add column later bigint not null default 7;
        create index events_later on {schema}.events (position) where later is not null;
        create function {schema}.append_v2() returns void language sql as 'select';
        create view {schema}.later as select stream_id, later from {schema}.streams;
    """,
    "down": """
        drop view {schema}.later;
        drop function {schema}.append_v2();
        alter table {schema}.streams drop column later;
        alter table {schema}.events drop column later;
    """,
}


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, there is one more migration. Servers are other processes, and know nothing of it."""
    known, sql = migrations._known, migrations._sql

    def read(migration: Migration, direction: str, schema: str) -> str:
        if migration.name == "next":
            return NEXT[direction].replace("{schema}", schema)
        return sql(migration, direction, schema)

    monkeypatch.setattr(migrations, "_known", lambda: [*known(), Migration(known()[-1].number + 1, "next")])
    monkeypatch.setattr(migrations, "_sql", read)


@pytest.mark.usefixtures("next_release")
async def test_a_server_goes_on_while_the_next_release_migrates_and_goes_back(
    start_server: Callable[..., MinkProcess], postgres: Postgres
) -> None:
    server = await asyncio.to_thread(start_server)
    schema = server.env["DATABASE_SCHEMA"]
    database = Database(postgres.dsn)
    await database.open()
    newer = Migrations(database, schema)
    async with Workload(server.grpc_address) as work:
        await work.run(0.5)
        applied = await work.while_running(newer.up())
        assert [m.name for m in applied] == ["next"]
        await work.progress()
        # Whoever starts now has to be of the next release.
        with pytest.raises(RuntimeError, match="use a newer mink"):
            await asyncio.to_thread(start_server)
        await work.while_running(newer.down(1))
        await work.progress()
        await work.finish("a migration up and down under load")
    await database.close()
