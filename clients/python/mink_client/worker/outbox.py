"""What is to be said over one call, in the order in which it was said, by one task: a call takes one message at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import grpc

if TYPE_CHECKING:
    from grpc.aio import StreamStreamCall
    from mink.v1.projections_pb2 import RunRequest, RunResponse

_MOST: Final = 4096
"""Messages that may wait. A server that takes none falls silent long before, and the call ends."""


class Outbox:
    """The messages of one call. `send` never waits: who has something to say holds nobody up."""

    def __init__(self, call: StreamStreamCall[RunRequest, RunResponse]) -> None:
        self._call = call
        self._waiting: asyncio.Queue[RunRequest | None] = asyncio.Queue(_MOST)

    def send(self, message: RunRequest) -> None:
        """Says something, later. The call ends if the server has taken nothing for too long."""
        self._put(message)

    def close(self) -> None:
        """Nothing more is said: after what waits, the call is closed on this side."""
        self._put(None)

    def _put(self, message: RunRequest | None) -> None:
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self._call.cancel()

    async def run(self) -> None:
        """Sends until it is closed, or the call ends."""
        try:
            while (message := await self._waiting.get()) is not None:
                await self._call.write(message)
            with suppress(Exception):  # gRPC's own, if the call has just broken: whoever reads from it learns why
                await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the call is over; whoever reads from it learns why
        except Exception:
            self._call.cancel()  # otherwise somebody would wait for answers to what was never sent
            raise
