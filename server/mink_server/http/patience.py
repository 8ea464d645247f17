"""HTTP connections that do not keep others out: each has a few seconds for a request, and the oldest makes room for a new one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

MOST_CONNECTIONS: Final = 200
# Seconds from a connection's begin, or from its last response, to the end of the next response.
_PATIENCE: Final = 10.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, bounded in time and in connections."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.since = time.monotonic()
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins; the connection that has waited longest ends, if there are too many."""
        others = [one for one in self.connections if isinstance(one, PatientProtocol) and not one.transport.is_closing()]
        if len(others) >= MOST_CONNECTIONS:
            min(others, key=lambda one: one.since).transport.abort()
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
        self.since = time.monotonic()
        if not self.transport.is_closing():
            self._limit = self.loop.call_later(_PATIENCE, self.transport.abort)

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
