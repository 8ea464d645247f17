"""What reliability tests share."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.reliability.projections.scene import Scene
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from tests.support.databases import Postgres


@pytest.fixture
async def open_scene(
    postgres: Postgres, start_server: Callable[..., MinkProcess], tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Scene]]]:
    """Makes a log with servers, workers and a read model: `await open_scene(kind="postgres", partitions=2)`."""
    async with AsyncExitStack() as stack:

        async def make(database: Postgres = postgres, **settings: Any) -> Scene:
            return await stack.enter_async_context(Scene(database, start_server, tmp_path, **settings))

        yield make


@pytest.fixture
def serve() -> Iterator[Callable[..., MinkProcess]]:
    """Starts servers: `serve(DATABASE_URL="…")`."""
    started: list[MinkProcess] = []

    def start(**env: str) -> MinkProcess:
        started.append(MinkProcess(**env))
        return started[-1].start()

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that also the account of an embedded Postgres can reach."""
    with tempfile.TemporaryDirectory(prefix="mink-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[str]:
    """An empty database beside the shared one: its URL."""
    name = f"{postgres.new_schema()}_database"
    postgres.execute(f"create database {name}")
    yield postgres.dsn.replace("/mink?", f"/{name}?")
    postgres.execute(f"drop database {name} with (force)")
