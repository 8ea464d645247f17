"""AppendSession: many independent appends over one call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from mink.v1 import event_store_pb2 as pb

from mink_server.core.appending import LONGEST_WAIT
from mink_server.core.errors import FieldViolation, InvalidRequestError, MinkError, ShuttingDownError
from mink_server.core.events import Append, AppendResult
from mink_server.rpc import convert
from mink_server.rpc.errors import to_failure

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        self._ready: list[pb.SessionResult] = []
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
        try:
            kind = given.WhichOneof("append")
            if kind == "to_stream":
                writes = convert.to_stream(given.to_stream, self._limits)
            elif kind == "to_streams":
                writes = convert.to_streams(given.to_streams, self._limits)
            else:
                raise InvalidRequestError([FieldViolation("append", "must be set: to_stream or to_streams")])
            timeout = LONGEST_WAIT
            if given.HasField("timeout"):
                timeout = min(given.timeout.seconds + given.timeout.nanos / 1e9, LONGEST_WAIT)
            append = Append(
                writes, self._done if kind == "to_stream" else self._done_several, self._loop.time() + timeout, given.request_id
            )
            self._in_flight.add(append)
            self._writes.submit(append)
        except MinkError as error:
            self._in_flight.discard(append) if "append" in locals() else None
            self._add(pb.SessionResult(request_id=given.request_id, failure=to_failure(error)))

    def _done(self, append: Append) -> None:
        outcome = append.outcome
        self._in_flight.discard(append)
        if type(outcome) is AppendResult:
            write = outcome.writes[0]
            self._add(
                pb.SessionResult(
                    request_id=append.request_id,
                    to_stream=pb.AppendToStreamResponse(
                        version=write.version,
                        first_position=write.first_position,
                        last_position=write.last_position,
                        replayed=outcome.replayed,
                    ),
                )
            )
        else:
            self._add(pb.SessionResult(request_id=append.request_id, failure=to_failure(outcome)))  # type: ignore[arg-type]

    def _done_several(self, append: Append) -> None:
        outcome = append.outcome
        if type(outcome) is AppendResult:
            self._in_flight.discard(append)
            response = convert.appended_to_streams(append.writes, outcome)
            self._add(pb.SessionResult(request_id=append.request_id, to_streams=response))
        else:
            self._done(append)

    def _add(self, result: pb.SessionResult) -> None:
        self._ready.append(result)
        self._wake.set()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._ready:
                results: Iterable[pb.SessionResult]
                results, self._ready = self._ready, []
                await self._context.write(pb.AppendSessionResponse(results=results))
                if len(self._in_flight) < _MOST_IN_FLIGHT:
                    self._room.set()
            elif self._read_all and not self._in_flight:
                return
            if self._read_all and not self._in_flight:
                self._wake.set()
