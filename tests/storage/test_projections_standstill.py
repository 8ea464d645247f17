"""A server that stands still in the middle of a change must not keep others from what it has locked."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from mink_server.core.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.storage.conftest import StoredLog
    from tests.storage.projecting import Server


async def test_what_it_has_locked_is_free_soon(log: StoredLog, new_server: Callable[..., Server]) -> None:
    stopped, other = new_server(5.0), new_server(5.0)
    await stopped.join()
    await other.join()
    lease = await stopped.only_lease()

    async def stand_still() -> None:
        async with log.database.connection() as connection, connection.transaction():
            await stopped.workers._tables.locked(connection, ["P"])
            # It says nothing more, as a process that is stopped does. Its connection stays open.
            await look_until(other)
            await connection.fetchval("select 1")

    with pytest.raises(DatabaseUnavailableError):
        await stand_still()
    assert (await other.control.get("P")).row.last_token >= lease.token


async def look_until(server: Server) -> None:
    """Holds rounds until one succeeds."""
    end = time.monotonic() + 20
    while True:
        try:
            await server.round()
        except DatabaseUnavailableError:
            assert time.monotonic() < end, "the projection is still locked"
            await asyncio.sleep(0.05)
        else:
            return
