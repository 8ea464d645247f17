"""Writers that append to several streams at once, and the log that comes of it."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from mink_client import ANY, Mink, NewEvent

from tests.reliability.projections.judge import Logged

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPES = ("Opened", "Changed", "Closed")
# One that no handler can handle.
POISON = "Poisoned"


def some(count: int, type: str | None = None) -> list[NewEvent]:  # noqa: A002
    """Events with amounts that chance gives, and types as well."""
    return [NewEvent(type or random.choice(TYPES), {"amount": random.randint(1, 1000)}) for _ in range(count)]


async def read_log(client: Mink) -> list[Logged]:
    """The log as ReadAll gives it."""
    return [
        Logged(event.position, event.stream, event.version, event.type, event.json()["amount"])
        async for batch in client.read_all_batches(timeout=30)
        for event in batch
    ]


class Writers:
    """Writers spread over servers, from `async with` until `stop`. Each appends 1 to 5 events to one of the streams at a time.

    Args:
        addresses: The servers.
        writers: How many writers.
        streams: How many streams.
        pause: Seconds between two appends of a writer.
    """

    def __init__(self, addresses: Sequence[str], *, writers: int = 6, streams: int = 16, pause: float = 0.02) -> None:
        self.appends = 0
        self._addresses = addresses
        self._count = writers
        self._streams = [f"Stream-{i}" for i in range(streams)]
        self._pause = pause
        self._stopping = asyncio.Event()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        clients = [await self._stack.enter_async_context(Mink(address, timeout=40)) for address in self._addresses]
        self._tasks = [asyncio.create_task(self._write(clients[i % len(clients)])) for i in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def run(self, seconds: float) -> None:
        """Goes on for a while; fails at once if a writer does."""
        done, _ = await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def progress(self, appends: int = 30, seconds: float = 30) -> None:
        """Waits until so many appends were acknowledged."""
        wanted = self.appends + appends
        async with asyncio.timeout(seconds):
            while self.appends < wanted:
                await self.run(0.02)

    async def stop(self) -> None:
        """Ends, when every append is acknowledged."""
        self._stopping.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*self._tasks)

    async def _write(self, client: Mink) -> None:
        while not self._stopping.is_set():
            await client.append(random.choice(self._streams), some(random.randint(1, 5)), expected=ANY)
            self.appends += 1
            await asyncio.sleep(self._pause)
