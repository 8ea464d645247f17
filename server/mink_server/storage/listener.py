"""Hears of what other servers commit, through LISTEN; looks at the head now and then, in case a notification was lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog

from mink_server.core.errors import MinkError
from mink_server.storage.database import Backoff, Database, OwnConnection
from mink_server.storage.statements import channel

if TYPE_CHECKING:
    from mink_server.storage.reader import Reader
    from mink_server.storage.tail import Tail

log = structlog.get_logger(__name__)

_LOOK_EVERY: Final = 5.0


class Listener:
    """Tells a tail what was committed by others.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        tail: Whom to tell.
        reader: Who reads the head.
    """

    def __init__(self, database: Database, schema: str, tail: Tail, reader: Reader) -> None:
        self._connection = OwnConnection(database, "listener")
        self._channel = channel(schema)
        self._tail = tail
        self._reader = reader
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    def start(self) -> None:
        """Begins to listen."""
        self._task = asyncio.create_task(self._run(), name="mink-listener")

    async def close(self) -> None:
        """Ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._connection.close()

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                connection = await self._connection.get()
                self._lost.clear()
                connection.add_termination_listener(lambda _: self._lost.set())
                await connection.add_listener(self._channel, self._heard)
                await self._look(restarted=True)
                backoff = Backoff()
                while not self._lost.is_set():
                    try:
                        async with asyncio.timeout(_LOOK_EVERY):
                            await self._lost.wait()
                    except TimeoutError:
                        # Also finds out whether the connection still answers.
                        await connection.fetchval("select 1", timeout=_LOOK_EVERY)
                        await self._look(restarted=False)
                raise ConnectionError("the connection was closed")
            except (MinkError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                self._connection.drop(error)
                await backoff.wait()

    async def _look(self, *, restarted: bool) -> None:
        """Compares the tail with the database; `restarted`: the database may have been replaced meanwhile."""
        before = self._tail.head
        head = await self._reader.head()
        if head.log_id != self._tail.log_id or (head.position < before and restarted):
            self._tail.restart(head)
        else:
            if not restarted and head.position > self._tail.head + 1000:
                log.info("the head was ahead of the notifications", head=head.position, known=self._tail.head)
            self._tail.announce(head.position)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        if payload == "removed":
            self._tail.forget()
        else:
            self._tail.announce(int(payload))
