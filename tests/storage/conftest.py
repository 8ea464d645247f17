"""A log for storage tests, on every Postgres there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mink_server.core.appending import append
from mink_server.core.events import AppendResult, EventToAppend, StreamWrite
from mink_server.core.ids import uuid7
from mink_server.storage.database import Database, OwnConnection
from mink_server.storage.listener import Listener
from mink_server.storage.migrations import Migrations
from mink_server.storage.reader import Reader
from mink_server.storage.snapshots import Snapshots
from mink_server.storage.streams import Streams
from mink_server.storage.tail import Tail
from mink_server.storage.writer import Writer

from tests.conftest import UPGRADED, VERSIONS
from tests.storage.projecting import Server
from tests.storage.schemas import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.databases import Postgres

# Modules that run once more, in schemas that an older release made.
_UPGRADED = (
    "test_append",
    "test_projections_control",
    "test_projections_leases",
    "test_projections_rebuilds",
    "test_projections_rounds",
    "test_read",
    "test_snapshots",
    "test_streams",
    "test_tail",
    "test_writer",
)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Adds the upgraded schemas to what the storage suite runs on."""
    if metafunc.module.__name__.rpartition(".")[2] in _UPGRADED and "any_postgres" in metafunc.fixturenames:
        each = pytest.mark.parametrize(
            "any_postgres", [*VERSIONS, pytest.param(UPGRADED, marks=pytest.mark.thorough)], indirect=True, scope="session"
        )
        metafunc.definition.add_marker(each)


def event(event_type: str = "Happened", payload: bytes = b"{}", event_id: str = "", **metadata: str) -> EventToAppend:
    """An event to append."""
    return EventToAppend(event_id or uuid7(), event_type, payload, True, metadata or None, len(payload) + len(event_type))


class StoredLog:
    """All parts of one log."""

    def __init__(self, database: Database, schema: str) -> None:
        self.database = database
        self.schema = schema
        self.reader = Reader(database, schema)
        self.tail = Tail(database, schema, self.reader)
        self.connection = OwnConnection(database, "writer")
        server = uuid7()
        self.listener = Listener(self.connection, schema, server, self.tail, self.reader)
        self.writer = Writer(self.connection, schema, server, self.tail)
        self.streams = Streams(database, schema, self.tail.forget)
        self.snapshots = Snapshots(database, schema)

    async def start(self) -> None:
        self.tail.start(await self.reader.head())
        self.listener.start()
        self.writer.start()

    async def close(self) -> None:
        await self.writer.close()
        await self.listener.close()
        await self.connection.close()
        await self.tail.close()
        await self.database.close()

    async def append(self, stream: str, *events: EventToAppend, expected: int = -1) -> AppendResult:
        return await append(self.writer, [StreamWrite(stream, expected, list(events))], 10)

    async def append_many(self, *writes: StreamWrite) -> AppendResult:
        return await append(self.writer, list(writes), 10)

    async def fetch(self, sql: str, *args: object) -> list:
        return await self.database.fetch(sql.replace("{schema}", self.schema), *args)


@pytest.fixture
async def log(any_postgres: Postgres) -> AsyncIterator[StoredLog]:
    """A log of the test's own."""
    schema = any_postgres.new_schema()
    database = Database(any_postgres.dsn, pool_size=4)
    await database.open()
    if any_postgres.version == UPGRADED:
        await frozen.load(any_postgres.dsn, schema, frozen.RELEASES[0])
    await Migrations(database, schema).up()
    if any_postgres.version == UPGRADED:
        await frozen.empty(any_postgres.dsn, schema)
    stored = StoredLog(database, schema)
    await stored.start()
    yield stored
    await stored.close()
    any_postgres.drop(schema)


@pytest.fixture
async def new_server(log: StoredLog) -> AsyncIterator[Callable[..., Server]]:
    """Makes servers that run projections of the log: `new_server(lease=5.0)`."""
    made: list[Server] = []

    def make(lease: float = 60.0) -> Server:
        made.append(Server(log.database, log.schema, lease))
        return made[-1]

    yield make
    for server in made:
        await server.projections.close()


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    """One of them."""
    return new_server()
