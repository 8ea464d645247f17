"""Hears of what other servers commit, through LISTEN; looks at the head now and then, in case a notification was lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from mink_server.storage.database import Backoff
from mink_server.storage.errors import translate
from mink_server.storage.statements import channel, projections_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from mink_server.storage.database import OwnConnection
    from mink_server.storage.reader import Reader
    from mink_server.storage.tail import Tail

log = structlog.get_logger(__name__)

_LOOK_EVERY: Final = 5.0


class Listener:
    """Tells a tail what was committed by others.

    It listens on the connection that the writer writes over: Postgres then wakes no other process for this server's own appends.

    Args:
        connection: The writer's connection.
        schema: The schema that the log is in.
        server: This server's id; notifications that carry it are its own.
        tail: Whom to tell.
        reader: Who reads the head.
        heard: Told the name of a projection that another server has changed. Behind a proxy that pools transactions, nothing is
            heard.
    """

    def __init__(
        self,
        connection: OwnConnection,
        schema: str,
        server: str,
        tail: Tail,
        reader: Reader,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        self._connection = connection
        self._channel = channel(schema)
        self._projections_channel = projections_channel(schema)
        self._server = server
        self._tail = tail
        self._reader = reader
        self._heard_of_projection = heard
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        connection.prepare = self._prepare

    def start(self) -> None:
        """Begins to listen."""
        self._task = asyncio.create_task(self._run(), name="mink-listener")

    async def close(self) -> None:
        """Ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _prepare(self, connection: asyncpg.Connection[Any]) -> None:
        """Listens on a new connection."""
        await connection.add_listener(self._channel, self._heard)
        if self._heard_of_projection is not None:
            await connection.add_listener(self._projections_channel, self._heard_projection)
        connection.add_termination_listener(lambda _: self._lost.set())

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                self._lost.clear()
                await self._connection.get()
                before = self._tail.head
                self._tail.compare(await self._reader.head(), before)
                backoff = Backoff()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY):
                        await self._lost.wait()
            except Exception as error:  # noqa: BLE001 - whatever it is, what others commit must be heard of again
                log.debug("cannot listen", why=str(translate(error)))
                await backoff.wait()

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        if payload == "removed":
            self._tail.forget()
            return
        head, _, server = payload.partition(" ")
        if server != self._server:
            self._tail.announce(int(head))

    def _heard_projection(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        server, _, projection = payload.partition(" ")
        if server != self._server and self._heard_of_projection is not None:
            self._heard_of_projection(projection)
