"""Looks at the database now and then, and says how it is: to health checks, in metrics, and in the log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.errors import MinkError
from mink_server.storage.log_size import log_size
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mink_server.storage.database import Database

log = structlog.get_logger(__name__)

_LOOK_EVERY: Final = 2.0
_SIZE_EVERY: Final = 60.0
_PATIENCE: Final = 5.0


class Watch:
    """Looks at one log's database.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
    """

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema

    async def ping(self) -> str | None:
        """Reaches for the database; answers with what is wrong, or None."""
        try:
            async with asyncio.timeout(_PATIENCE), self._database.connection() as connection:
                await connection.fetchval("select 1")
        except MinkError as error:
            return str(error)
        except TimeoutError:
            return f"the database did not answer in {_PATIENCE:g} s"
        return None

    async def database(self, set_serving: Callable[[bool], Awaitable[None]]) -> None:
        """Says whenever the database has gone or come back; it is there when this begins."""
        serving = True
        metrics.DATABASE_UP.set(1)
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            problem = await self.ping()
            metrics.DATABASE_UP.set(problem is None)
            if serving != (problem is None):
                serving = problem is None
                log.warning("not serving", why=problem) if problem else log.info("serving again")
                await set_serving(serving)

    async def size(self) -> None:
        """Says in a metric how large the log is."""
        while True:
            with suppress(MinkError):
                metrics.LOG_SIZE.set(await log_size(self._database, self._schema))
            await asyncio.sleep(_SIZE_EVERY)
