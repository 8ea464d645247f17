"""Fixtures for all tests: databases and servers, all of them real."""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING

import pytest

from tests.support.databases import Postgres
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Every Postgres that the storage tests run on.
VERSIONS = ["18", pytest.param("16", marks=pytest.mark.thorough), *(["url"] if os.environ.get("TEST_DATABASE_URL") else [])]
# And a Postgres 18 whose schemas the first release made, and today's migrations brought up to date.
UPGRADED = "upgraded"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the files that keep the processors busy among those that wait; several of them at once hold each other up.

    None of them comes near the end, where some of the processes have nothing left to do.
    """
    files = list(dict.fromkeys(item.path for item in items))
    busy = [file for file in files if file.parent.name == "reliability"]
    calm = [file for file in files if file.parent.name != "reliability"]
    place = {file: number / max(len(calm), 1) for number, file in enumerate(calm)}
    place |= {file: number * 0.8 / len(busy) for number, file in enumerate(busy)}
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres 18 for the whole run."""
    database = Postgres("18").start()
    yield database
    database.stop()


@pytest.fixture(scope="session", params=VERSIONS)
def any_postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A Postgres in each of the versions, for the whole run."""
    if request.param == "18":
        yield request.getfixturevalue("postgres")
        return
    if request.param == UPGRADED:
        shared = copy(request.getfixturevalue("postgres"))
        shared.version = UPGRADED
        yield shared
        return
    database = Postgres(request.param).start()
    yield database
    database.stop()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A Postgres of the test's own, which it may kill."""
    database = Postgres("18").start()
    yield database
    database.stop()


@pytest.fixture(scope="session")
def server(postgres: Postgres) -> Iterator[MinkProcess]:
    """A server that tests share; each uses stream names of its own."""
    schema = postgres.new_schema()
    process = MinkProcess(DATABASE_URL=postgres.dsn, DATABASE_SCHEMA=schema, MINK_MIGRATE="true")
    process.start()
    yield process
    process.stop()
    postgres.drop(schema)


@pytest.fixture
def start_server(postgres: Postgres) -> Iterator[Callable[..., MinkProcess]]:
    """Starts servers on a log of the test's own: `start_server(MINK_X="…")`. Several calls give several servers on one log."""
    schema = postgres.new_schema()
    started: list[MinkProcess] = []

    def start(dsn: str = "", **env: str) -> MinkProcess:
        process = MinkProcess(DATABASE_URL=dsn or postgres.dsn, DATABASE_SCHEMA=schema, MINK_MIGRATE="true", **env)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.stop()
    postgres.drop(schema)
