"""Looks at the database now and then, and says how it is: to health checks, in metrics, and in the log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.errors import MinkError
from mink_server.core.projections.model import State
from mink_server.core.projections.state import state_of
from mink_server.storage.log_size import log_size
from mink_server.telemetry import metrics
from mink_server.telemetry.projections import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mink_server.core.projections.port import Control
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
        projections: Those that follow it.
    """

    def __init__(self, database: Database, schema: str, projections: Control) -> None:
        self._database = database
        self._schema = schema
        self._projections = projections
        self._faulted: list[str] = []

    @property
    def faulted(self) -> list[str]:
        """Names of the projections that were faulted when it last looked."""
        return self._faulted

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

    async def projections(self) -> None:
        """Shows how projections are; says when one becomes faulted."""
        while True:
            with suppress(MinkError):
                PROJECTIONS.observed = observed = await self._projections.list()
                faulted = [each.row.name for each in observed if state_of(each.row, each.now) is State.FAULTED]
                for name in sorted(set(faulted) - set(self._faulted)):
                    log.error("a projection is faulted", projection=name)
                self._faulted = faulted
            await asyncio.sleep(_LOOK_EVERY)
