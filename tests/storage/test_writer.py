"""The writer while the database is away: every append ends, in bounded time, with the word for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mink_server.core.errors import DatabaseUnavailableError
from mink_server.core.ids import uuid7
from mink_server.storage.database import Database, OwnConnection
from mink_server.storage.migrations import Migrations
from mink_server.storage.reader import Reader
from mink_server.storage.tail import Tail
from mink_server.storage.writer import Writer

from tests.storage.conftest import StoredLog, event

if TYPE_CHECKING:
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
