"""Servers with an empty log of their own. The next one is made ready while a case runs, so that the case after need not wait."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from clients.conformance.harness.postgres import Postgres
    from clients.conformance.harness.servers import MinkServer


@dataclass(frozen=True, slots=True)
class _Ready:
    server: MinkServer
    database: str


class Alone:
    """The servers `alone`, one after the other, on a Postgres that cases may stop.

    Args:
        postgres: That Postgres.
        make: Makes a server that does not run yet.
    """

    def __init__(self, postgres: Postgres, make: Callable[[str, Mapping[str, str]], MinkServer]) -> None:
        self.postgres = postgres
        self._make = make
        self._wanted = 0
        self._given: _Ready | None = None
        self._next: asyncio.Task[_Ready] | None = None
        self._clearing: set[asyncio.Task[None]] = set()

    def expect(self, cases: int) -> None:
        """Says how many cases will want such a server: no more are made ready."""
        self._wanted = cases

    async def take(self) -> MinkServer:
        """A server with an empty log. The one that was given before ends."""
        if self._given is not None:
            given, self._given = self._given, None
            self._background(self._clear(given))
        await self.postgres.start()
        task, self._next = self._next or asyncio.create_task(self._prepare()), None
        self._given = await task
        await self._given.server.mend()
        self._wanted -= 1
        if self._wanted > 0:
            self._next = asyncio.create_task(self._prepare())
        return self._given.server

    async def before_stop(self) -> None:
        """To be called before Postgres is stopped: the server that was made ready would not be as new afterwards."""
        task, self._next = self._next, None
        if task is not None:
            await self._clear(await task)
        await asyncio.gather(*self._clearing, return_exceptions=True)

    async def close(self) -> None:
        """Ends all servers."""
        tasks = [*self._clearing, *([self._next] if self._next else [])]
        for ready in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ready, _Ready):
                await ready.server.kill()
        if self._given is not None:
            await self._given.server.kill()

    async def _prepare(self) -> _Ready:
        database, dsn = await self.postgres.new_database()
        server = self._make("alone", {"DATABASE_URL": dsn})
        await server.start()
        return _Ready(server, database)

    async def _clear(self, ready: _Ready) -> None:
        await ready.server.kill()
        # What cannot be removed now goes with the whole folder at the end.
        with contextlib.suppress(Exception):
            await self.postgres.drop(ready.database)

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)
