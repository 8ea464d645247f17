"""Read models side by side in Postgres: readers use views, and never see a moment without them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mink_client.projections import handles
from mink_client.projections.applying import Fault, LeaseLost
from mink_client.projections.target import Checkpoint

from tests.projections.models import LOG, ReadModel, Sums, applier, events, lease, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mink_client import RecordedEvent


class Doubled(Sums):
    """Another revision, with other columns, and one table less."""

    revision = 2
    added = None

    async def setup(self, tx: Any) -> None:
        await tx.execute("create table if not exists sums (position bigint primary key, doubled text not null)")

    @handles("Added")
    async def twice(self, event: RecordedEvent, tx: Any) -> None:
        await tx.execute("insert into sums values ($1, $2)", event.position, str(2 * event.json()["n"]))


class Two(Sums):
    """Two tables."""

    async def setup(self, tx: Any) -> None:
        await super().setup(tx)
        await tx.execute("create table if not exists other as select 1 as one")


@asynccontextmanager
async def reading(
    model: ReadModel, sql: str = "select * from {schema}.sums order by 1", readers: int = 3
) -> AsyncIterator[list[Any]]:
    """Reads all the time; what was found, without repetitions. Fails if a reader did."""
    found: list[Any] = []
    stop = asyncio.Event()

    async def read(statement_cache_size: int) -> None:
        connection = await model.connect(statement_cache_size=statement_cache_size)
        try:
            while not stop.is_set():
                rows = [tuple(row) for row in await connection.fetch(sql.replace("{schema}", model.schema))]
                if not found or found[-1] != rows:
                    found.append(rows)
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(readers):
            group.create_task(read(0))
        await until(lambda: found)
        yield found
        stop.set()


async def test_the_first_build_is_seen_at_once(model: ReadModel) -> None:
    one = applier(Sums(await model.target(side_by_side=True)))
    await one.claim()
    await one.apply(events(1), 1)
    assert await model.positions() == [1]
    assert await model.fetch("select position from {schema}_b1.sums") == [1]
    assert await model.checkpoint() == 1


async def test_a_switch_is_never_a_moment_without_a_read_model(model: ReadModel) -> None:
    target = await model.target(side_by_side=True)
    old = applier(Two(target, name="Sums"), lease(1))
    await old.claim()
    await old.apply(events(1, 2), 2)
    role = f"reader_{model.schema}"
    await model.fetch(f"create role {role}")
    try:
        await model.fetch(f"grant select on {{schema}}.sums to {role} with grant option")
        new = applier(Doubled(target, name="Sums"), lease(2, build=2, live_build=1))
        async with reading(model) as found:
            assert await new.claim() == Checkpoint(0, LOG)
            await new.apply(events(1, 2), 2)
            assert await model.fetch("select n from {schema}.sums order by 1") == [1, 2]
            await applier(Doubled(target, name="Sums"), lease(3, build=2, live_build=1)).switch()
            await until(lambda: found[-1] == [(1, "2"), (2, "4")])
        assert found == [[(1, 1), (2, 2)], [(1, "2"), (2, "4")]]
        grants = "select has_table_privilege('{role}', '{schema}.sums', 'select with grant option')".replace("{role}", role)
        assert await model.fetch(grants) == [True]
    finally:
        await model.fetch(f"drop owned by {role}")
        await model.fetch(f"drop role {role}")
    assert await model.fetch("select to_regclass('{schema}.other')") == [None]
    # Whoever still holds the old build is out, and the old one goes when the new one is known to be live.
    with pytest.raises(LeaseLost):
        await old.apply(events(3), 3)
    assert await model.fetch("select to_regnamespace('{schema}_b1') is not null") == [True]
    live = applier(Doubled(target, name="Sums"), lease(4, build=2, live_build=2))
    assert await live.claim() == Checkpoint(2, LOG)
    assert await model.fetch("select to_regnamespace('{schema}_b1')") == [None]
    with pytest.raises(LeaseLost):
        await applier(Two(target, name="Sums"), lease(1)).claim()


async def test_a_switch_may_be_done_again_and_taken_back(model: ReadModel) -> None:
    target = await model.target(side_by_side=True)
    old = applier(Sums(target), lease(1))
    await old.claim()
    await old.apply(events(1), 1)
    new = applier(Sums(target), lease(2, build=2))
    await new.claim()
    await new.apply(events(1, 2), 2)
    for token in (3, 4):
        await applier(Sums(target), lease(token, build=2)).switch()
        assert await model.positions() == [1, 2]
    # The server never heard of it: the old build is still the live one, and goes on.
    again = applier(Sums(target), lease(5))
    assert await again.claim() == Checkpoint(1, LOG)
    assert await model.positions() == [1]
    await again.apply(events(3), 3)
    assert await model.positions() == [1, 3]


async def test_a_switch_waits_for_a_long_reader_and_lets_others_read(model: ReadModel) -> None:
    target = await model.target(side_by_side=True)
    await applier(Sums(target), lease(1)).claim()
    new = applier(Sums(target), lease(2, build=2))
    await new.claim()
    await new.apply(events(1), 1)
    long = await model.connect()
    try:
        transaction = long.transaction()
        await transaction.start()
        await long.fetch(f"select * from {model.schema}.sums")
        switching = asyncio.create_task(applier(Sums(target), lease(3, build=2)).switch())
        waiting = "select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'"
        for _ in range(2):
            await until(lambda: model.fetch(waiting))
            assert await model.positions() == []
        assert not switching.done()
        await transaction.rollback()
        await switching
    finally:
        await long.close()
    assert await model.positions() == [1]


async def test_a_build_is_cleared_alone_while_readers_read(model: ReadModel) -> None:
    target = await model.target(side_by_side=True)
    one = applier(Sums(target), lease(1))
    await one.claim()
    await one.apply(events(1, 2), 2)
    new = applier(Sums(target), lease(2, build=2))
    await new.claim()
    await new.apply(events(1), 1)
    async with reading(model) as found:
        await applier(Sums(target), lease(3, build=2)).clear()
        assert await model.positions() == [1, 2]
        await applier(Sums(target), lease(4)).clear()
        await until(lambda: found[-1] == [])
    assert found == [[(1, 1), (2, 2)], []]
    assert await model.fetch("select nspname::text from pg_namespace where nspname like '{schema}_b%' order by 1") == [
        f"{model.schema}_b1",
        f"{model.schema}_b2",
    ]


async def test_tables_that_a_setup_adds_are_seen(model: ReadModel) -> None:
    target = await model.target(side_by_side=True)
    await applier(Sums(target)).claim()
    await applier(Two(target, name="Sums"), lease(2)).claim()
    assert await model.fetch("select one from {schema}.other") == [1]


async def test_a_schema_that_is_somebody_elses_is_left_alone(model: ReadModel) -> None:
    await model.fetch("create schema {schema}_b1")
    target = await model.target(side_by_side=True)
    with pytest.raises(Fault, match="not of this projection"):
        await applier(Sums(target)).claim()
    await model.fetch("create schema {schema}_b2")
    await applier(Sums(target), lease(2, build=3, live_build=3)).claim()
    assert await model.fetch("select count(*) from pg_namespace where nspname ~ '^{schema}_b[12]$'") == [2]


async def test_two_projections_do_not_share_builds(model: ReadModel) -> None:
    target = await model.target(side_by_side=True)
    await applier(Sums(target)).claim()
    with pytest.raises(Fault, match="not of this projection"):
        await applier(Sums(target, name="Other"), lease(name="Other")).claim()


async def test_a_switch_hook_replaces_the_views(model: ReadModel) -> None:
    switched = []

    class Own(Sums):
        async def switch(self, tx: Any) -> None:
            switched.append(await tx.fetchval("select current_schema()"))

    target = await model.target(side_by_side=True)
    await applier(Own(target, name="Sums"), lease(1, build=2)).claim()
    await applier(Own(target, name="Sums"), lease(2, build=2)).switch()
    assert switched == [f"{model.schema}_b2"]
    assert await model.fetch("select to_regclass('{schema}.sums')") == [None]


async def test_without_builds_there_is_nothing_to_switch_to(model: ReadModel) -> None:
    one = applier(Sums(await model.target()))
    await one.claim()
    with pytest.raises(Fault, match="side_by_side=True"):
        await one.switch()
