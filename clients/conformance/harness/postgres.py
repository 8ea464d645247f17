"""A Postgres of the harness's own, with as many databases as there are logs."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

import asyncpg
from mink_server.storage.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATE: Final = "/mink?"  # in the DSN of the embedded Postgres: its one database


class Postgres:
    """An embedded Postgres. It is started when it is needed first, and may be stopped and started again.

    Args:
        folder: Where its data goes.
    """

    def __init__(self, folder: Path) -> None:
        self._embedded = EmbeddedPostgres(folder)
        self._numbers = itertools.count(1)
        self._running = False
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Starts it, unless it runs."""
        async with self._lock:
            if not self._running:
                await self._embedded.start()
                self._running = True

    async def stop(self) -> None:
        """Stops it, if it runs: whoever is connected is cut off."""
        async with self._lock:
            if self._running:
                self._running = False
                await self._embedded.stop()

    async def new_database(self) -> tuple[str, str]:
        """Makes an empty database; answers with its name and its DSN."""
        await self.start()
        name = f"log{next(self._numbers)}"
        await self._execute(f"create database {name}")
        return name, self._embedded.dsn.replace(_TEMPLATE, f"/{name}?")

    async def drop(self, name: str) -> None:
        """Removes a database and whoever is connected to it. Does nothing while Postgres does not run."""
        if self._running:
            await self._execute(f"drop database {name} with (force)")

    async def _execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self._embedded.dsn, password="-", timeout=10)  # noqa: S106 - no password
        try:
            await connection.execute(sql, timeout=30)
        finally:
            connection.terminate()
