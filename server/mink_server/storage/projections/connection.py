"""The connection that keeps leases alive: it never queues behind readers of the log."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from mink_server.storage.database import OwnConnection, cut_after
from mink_server.storage.errors import DATABASE_ERRORS, translate
from mink_server.storage.statements import text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from mink_server.storage.database import Database

_SHORTEST: Final = 5.0


class LeaseConnection:
    """One connection, for one user at a time. It is opened when it is needed, and again when it was lost.

    Args:
        database: Where to.
        seconds: For how long somebody uses it at most, waiting included; at least five.
    """

    def __init__(self, database: Database, seconds: float) -> None:
        self._own = OwnConnection(database, "projections")
        self._own.prepare = _prepare
        self._turn = asyncio.Lock()
        self._seconds = max(seconds, _SHORTEST)

    @asynccontextmanager
    async def use(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """The connection, for a moment.

        Raises:
            MinkError: The database failed.
        """
        try:
            async with asyncio.timeout(self._seconds) as waiting, self._turn:
                connection = await self._own.get()
                waiting.reschedule(None)
                with cut_after(connection, self._seconds):
                    try:
                        yield connection
                    except BaseException as error:
                        if not isinstance(error, Exception):  # cancelled, maybe in the middle of a statement
                            self._own.cut()
                        raise
        except DATABASE_ERRORS as error:
            raise translate(error) from error

    async def close(self) -> None:
        """Closes it; whoever uses it gets an error."""
        await self._own.close()


async def _prepare(connection: asyncpg.Connection[Any]) -> None:
    await connection.execute(text("prepare_reader"))
