"""Serves the worker's health and metrics over HTTP, inside its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

_MOST_CONNECTIONS: Final = 50
_PATIENCE: Final = 10.0
"""Seconds that a connection has for each request, its answer included."""
_LARGEST_PORT: Final = 65_535


class _Patient(H11Protocol):
    """HTTP/1.1 whose connections do not keep others out: the oldest makes room, and none waits for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since = 0.0
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins; the connection that has waited longest ends, if there are too many."""
        others = [one for one in self.connections if isinstance(one, _Patient) and not one.transport.is_closing()]
        if len(others) >= _MOST_CONNECTIONS:
            min(others, key=lambda one: one._since).transport.abort()
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends."""
        self._end()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        super().on_response_complete()
        self._end()
        self._begin()

    def send_400_response(self, msg: str) -> None:
        """Tells whoever sends what is not HTTP; the request before it, if its answer is on the way, gets none any more."""
        if self.cycle is not None and not self.cycle.response_complete:
            # What the application still sends goes nowhere. Without this it would fail, with a stack in the log.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # an answer has begun, or was the last of the connection
            self.transport.close()

    def _begin(self) -> None:
        self._since = self.loop.time()
        if not self.transport.is_closing():
            self._limit = self.loop.call_later(_PATIENCE, self.transport.abort)

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the one who runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def checked_listen(address: str) -> tuple[str, int]:
    """Host and port.

    Args:
        address: HOST:PORT; port 0: a free one.

    Raises:
        ValueError: It is no such address.
    """
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and int(port) <= _LARGEST_PORT):
        raise ValueError(f"HOST:PORT or off, for example 127.0.0.1:8081, not {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "it is in use"
    # What follows says the address once more.
    return (error.strerror or str(error)).partition(" (while attempting")[0]


class HttpServer:
    """Serves one application.

    Attributes:
        address: Where, `host:port`; after `start` with the port that was taken.
    """

    def __init__(self, application: Starlette, address: str) -> None:
        """Prepares it.

        Args:
            application: What to serve.
            address: HOST:PORT; port 0: a free one.

        Raises:
            ValueError: It is no such address.
        """
        self._host, self._port = checked_listen(address)
        self.address = address
        config = uvicorn.Config(
            application,
            http=_Patient,
            log_config=None,
            log_level="critical",  # whoever sends nonsense does not fill the log
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = _Quiet(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Binds, and begins to serve.

        Raises:
            OSError: The address cannot be used; the error's text says which and why.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            bound = socket.create_server((self._host, self._port), family=family, backlog=128)
        except OSError as error:
            raise OSError(f"cannot listen on {self.address}: {_why(error)}") from error
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.address = f"{host}:{bound.getsockname()[1]}"
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]), name="mink-worker-http")
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Ends."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
