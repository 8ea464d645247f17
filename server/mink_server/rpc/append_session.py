"""AppendSession: many independent appends over one call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from mink_server.core.appending import LONGEST_WAIT
from mink_server.core.errors import FieldViolation, InvalidRequestError, MinkError, ShuttingDownError
from mink_server.core.events import Append, AppendResult
from mink_server.rpc import appends
from mink_server.rpc.errors import to_failure
from mink_server.wire import block, number

if TYPE_CHECKING:
    from mink.v1 import event_store_pb2 as pb

    from mink_server.core.limits import Limits
    from mink_server.core.log import Writes
    from mink_server.rpc.drain import Drain

# Appends of one session that may be without a result; the session is not read further until some have one.
_MOST_IN_FLIGHT = 10_000


class AppendSession:
    """One call.

    Args:
        writes: Takes the appends.
        limits: What an append may hold.
        drain: Says when the server is about to stop.
        context: The call.
    """

    def __init__(self, writes: Writes, limits: Limits, drain: Drain, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._writes = writes
        self._limits = limits
        self._drain = drain
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._in_flight: set[Append] = set()
        self._ready: list[bytes] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._read_all = False

    async def run(self) -> None:
        """Reads appends and sends results until the client ends the call or the server is about to stop.

        Raises:
            ShuttingDownError: The server is about to stop; every append that was read has a result.
        """
        reading = asyncio.create_task(self._read())
        draining = asyncio.create_task(self._stop_reading(reading))
        try:
            await self._send()
            if self._drain.begun:
                raise ShuttingDownError
            await reading
        finally:
            reading.cancel()
            draining.cancel()
            await asyncio.gather(reading, draining, return_exceptions=True)
            for append in self._in_flight:
                append.abandoned = True

    async def _stop_reading(self, reading: asyncio.Task[None]) -> None:
        await self._drain.wait()
        reading.cancel()

    async def _read(self) -> None:
        try:
            while (request := await self._context.read()) is not grpc.aio.EOF:
                for append in request.appends:
                    self._take(append)
                if len(self._in_flight) >= _MOST_IN_FLIGHT:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._read_all = True
            self._wake.set()

    def _take(self, given: pb.SessionAppend) -> None:
        request_id = given.request_id
        try:
            kind = given.WhichOneof("append")
            if kind == "to_stream":
                writes, done = appends.to_stream(given.to_stream, self._limits), self._done
            elif kind == "to_streams":
                writes, done = appends.to_streams(given.to_streams, self._limits), self._done_several
            else:
                raise InvalidRequestError([FieldViolation("append", "must be set: to_stream or to_streams")])
            timeout = LONGEST_WAIT
            if given.HasField("timeout"):
                timeout = min(given.timeout.seconds + given.timeout.nanos / 1e9, LONGEST_WAIT)
            append = Append(writes, done, self._loop.time() + timeout, request_id)
            self._writes.submit(append)
            self._in_flight.add(append)
        except MinkError as error:
            self._add(request_id, b"\x22", to_failure(error).SerializeToString())

    def _done(self, append: Append) -> None:
        self._in_flight.discard(append)
        outcome = append.outcome
        if type(outcome) is AppendResult:
            done = outcome.writes[0]
            # An AppendToStreamResponse.
            answer = b"".join(
                (
                    number(b"\x08", done.version),
                    number(b"\x10", done.first_position),
                    number(b"\x18", done.last_position),
                    b"\x20\x01" if outcome.replayed else b"",
                )
            )
            self._add(append.request_id, b"\x12", answer)
        else:
            self._add(append.request_id, b"\x22", to_failure(outcome).SerializeToString())  # type: ignore[arg-type]

    def _done_several(self, append: Append) -> None:
        outcome = append.outcome
        if type(outcome) is AppendResult:
            self._in_flight.discard(append)
            self._add(append.request_id, b"\x1a", appends.appended_to_streams(append.writes, outcome).SerializeToString())
        else:
            self._done(append)

    def _add(self, request_id: int, tag: bytes, result: bytes) -> None:
        """Puts a SessionResult, as an element of AppendSessionResponse, to those that are ready; `tag` says which result it is."""
        self._ready.append(block(b"\x0a", number(b"\x08", request_id % 2**64) + block(tag, result)))
        self._wake.set()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._ready:
                results, self._ready = self._ready, []
                await self._context.write(b"".join(results))
                if len(self._in_flight) < _MOST_IN_FLIGHT:
                    self._room.set()
            elif self._read_all and not self._in_flight:
                return
            if self._read_all and not self._in_flight:
                self._wake.set()
