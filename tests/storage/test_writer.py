"""The writer while the database is away: every append ends, in bounded time, with the word for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from mink_server.core.errors import DatabaseUnavailableError, ShuttingDownError
from mink_server.core.ids import uuid7
from mink_server.storage.database import Database, OwnConnection
from mink_server.storage.migrations import Migrations
from mink_server.storage.reader import Reader
from mink_server.storage.tail import Tail
from mink_server.storage.writer import Writer

from tests.storage.conftest import StoredLog, event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.databases import Postgres


async def test_appends_end_together_when_the_database_stays_away(own_postgres: Postgres) -> None:
    database = Database(own_postgres.dsn, timeout=1)
    await database.open()
    await Migrations(database, "mink").up()
    log = StoredLog(database, "mink")
    log.reader = Reader(database, "mink")
    log.tail = Tail(database, "mink", log.reader)
    log.connection = OwnConnection(database, "writer")
    log.writer = Writer(log.connection, "mink", uuid7(), log.tail, timeout=1)
    log.tail.start(await log.reader.head())
    log.writer.start()
    await log.append("A", event())
    own_postgres.halt()
    # One wait for all of them: not one for each batch, and not one for each append.
    async with asyncio.timeout(8):
        ended = await asyncio.gather(*(log.append(f"S{i}", event()) for i in range(6000)), return_exceptions=True)
    assert {type(error) for error in ended} == {DatabaseUnavailableError}
    await log.close()


async def until(true: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(5):
        while not await true():  # noqa: ASYNC110 - Postgres sets no event
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("why", ["late", "closed"])
async def test_a_batch_that_is_given_up_is_not_cancelled_in_postgres(log: StoredLog, why: str) -> None:
    """A commit that waits for a standby and is cancelled stands without it. Here something else waits: the batch, for the lock."""
    await log.append("A", event())
    if why == "late":
        log.writer._timeout = 0.3
    pid = (await log.connection.get()).get_server_pid()
    holder = await log.database.connect()
    try:
        lock = f"select pg_advisory_lock(1835625067, '{log.schema}.events'::regclass::oid::integer)"
        await holder.execute(lock)
        given_up = asyncio.create_task(log.append("B", event()))
        waits = "select count(*) from pg_stat_activity where pid = $1 and wait_event = 'advisory'"
        await until(lambda: holder.fetchval(waits, pid))
        if why == "closed":
            await log.writer.close(0.1)
            log.writer._idle.set()  # it is closed again at the end
        with pytest.raises(DatabaseUnavailableError if why == "late" else ShuttingDownError):
            await given_up
        await asyncio.sleep(0.3)
        assert await holder.fetchval(waits, pid) == 1
    finally:
        await holder.close()
    await until(lambda: log.fetch("select from {schema}.events where position = 2"))
