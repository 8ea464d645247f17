"""AppendSession: many independent appends over one call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from mink.v1 import event_store_pb2 as pb

from mink_server.core.access import ANYBODY
from mink_server.core.appending import LONGEST_WAIT
from mink_server.core.errors import (
    FieldViolation,
    InvalidRequestError,
    MinkError,
    PermissionDeniedError,
)
from mink_server.core.events import Append, AppendResult
from mink_server.rpc import appends
from mink_server.rpc.access import check_session_append
from mink_server.rpc.caller import CALLER
from mink_server.rpc.errors import to_failure
from mink_server.telemetry import audit
from mink_server.telemetry.call import CURRENT
from mink_server.wire import block, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mink_server.core.limits import Limits
    from mink_server.core.log import Writes
    from mink_server.rpc.admission import Admission
    from mink_server.rpc.lifetime import Lifetime
    from mink_server.rpc.waiting import Waiting

# Appends of one session that may be without a result, and bytes of results that were not sent: with more, it is not read further.
_MOST_IN_FLIGHT: Final = 10_000
_MOST_READY_BYTES: Final = 1024 * 1024
# Bytes of results in one message, about.
_MESSAGE_BYTES: Final = 256 * 1024
# Seconds between two looks at whether the server has room again for what sessions send.
_LOOK_EVERY: Final = 0.05
# Seconds for which a session is not read because of that.
_PATIENCE: Final = 2.0


class _Message:
    """A message of a session: its bytes count as long as one of its appends is without a result."""

    __slots__ = ("left", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.left = 1  # the message itself, until all its appends were taken


class AppendSession:
    """One call.

    Args:
        writes: Takes the appends.
        limits: What an append may hold.
        lifetime: Says when the call has to end.
        admission: Counts the bytes of what is sent.
        waiting: Sends results.
        context: The call.
    """

    def __init__(
        self,
        writes: Writes,
        limits: Limits,
        lifetime: Lifetime,
        admission: Admission,
        waiting: Waiting,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        self._writes = writes
        self._limits = limits
        self._lifetime = lifetime
        self._admission = admission
        self._waiting = waiting
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._in_flight: dict[Append, _Message] = {}
        self._ready: list[bytes] = []
        self._ready_bytes = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._read_all = False
        self._caller = CALLER.get()
        self._call = CURRENT.get()
        self._identity = ANYBODY

    async def run(self) -> None:
        """Reads appends and sends results until the client ends the call, or it has to end.

        Raises:
            ShuttingDownError: It had to end; every append that was read has a result.
            AccessError: The caller may not append any more; every append that was taken has a result.
        """
        reading = asyncio.create_task(self._read())
        draining = asyncio.create_task(self._stop_reading(reading))
        try:
            await self._send()
            if (error := self._lifetime.over) is not None:
                raise error
            await reading
        finally:
            reading.cancel()
            draining.cancel()
            await asyncio.gather(reading, draining, return_exceptions=True)
            for append in list(self._in_flight):
                append.abandoned = True
                self._settle(append)

    async def _stop_reading(self, reading: asyncio.Task[None]) -> None:
        await self._lifetime.wait()
        reading.cancel()

    async def _read(self) -> None:
        try:
            while (data := await self._context.read()) is not grpc.aio.EOF:
                if self._caller is not None:
                    self._identity = self._caller.now()
                await self._take_all(data)
                await self._wait_for_room()
        finally:
            self._read_all = True
            self._wake.set()

    async def _wait_for_room(self) -> None:
        """Leaves what comes next with the client while there is much to do; not for long: it is then told that it was refused."""
        until = self._loop.time() + _PATIENCE
        while self._admission.crowded and self._loop.time() < until:  # noqa: ASYNC110 - nobody is told when there is less to do
            await asyncio.sleep(_LOOK_EVERY)

    async def _take_all(self, data: bytes) -> None:
        """Takes the appends of a message. If there is no room for it, they are refused one by one: the session goes on."""
        try:
            request = pb.AppendSessionRequest.FromString(data)
        except DecodeError:
            raise InvalidRequestError([FieldViolation("", "is not a message that the protos describe")]) from None
        message = _Message(len(data))
        refusal: MinkError | None = None
        try:
            self._admission.take(message.size)
        except MinkError as error:
            refusal = error
            message.size = 0
        try:
            for append in request.appends:
                self._take(append, message, refusal)
                if len(self._in_flight) >= _MOST_IN_FLIGHT or self._ready_bytes >= _MOST_READY_BYTES:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._one_less(message)

    def _one_less(self, message: _Message) -> None:
        message.left -= 1
        if not message.left:
            self._admission.give_back(message.size)

    def _settle(self, append: Append) -> None:
        """Nothing more is done for an append."""
        message = self._in_flight.pop(append, None)
        if message is not None:
            self._one_less(message)

    def _take(self, given: pb.SessionAppend, message: _Message, refusal: MinkError | None) -> None:
        request_id = given.request_id
        try:
            if refusal is not None:
                raise refusal
            kind = given.WhichOneof("append")
            if self._identity.prefixes:
                check_session_append(self._identity, given)
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
            self._in_flight[append] = message
            message.left += 1
        except MinkError as error:
            if isinstance(error, PermissionDeniedError) and self._call is not None:
                audit.denied(self._call, error)
            self._add(request_id, b"\x22", to_failure(error, self._call))

    def _done(self, append: Append) -> None:
        self._settle(append)
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
            self._add(append.request_id, b"\x22", to_failure(outcome, self._call))  # type: ignore[arg-type]

    def _done_several(self, append: Append) -> None:
        outcome = append.outcome
        if type(outcome) is AppendResult:
            self._settle(append)
            self._add(append.request_id, b"\x1a", appends.appended_to_streams(append.writes, outcome).SerializeToString())
        else:
            self._done(append)

    def _add(self, request_id: int, tag: bytes, result: bytes) -> None:
        """Puts a SessionResult, as an element of AppendSessionResponse, to those that are ready; `tag` says which result it is."""
        ready = block(b"\x0a", number(b"\x08", request_id % 2**64) + block(tag, result))
        self._ready.append(ready)
        self._ready_bytes += len(ready)
        self._wake.set()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._ready:
                for message in self._messages():
                    await self._waiting.send(self._context, message, 2, refuse=False)
                if len(self._in_flight) < _MOST_IN_FLIGHT:
                    self._room.set()
            elif self._read_all and not self._in_flight:
                return
            if self._read_all and not self._in_flight:
                self._wake.set()

    def _messages(self) -> Iterator[bytes]:
        """All results that are ready, as messages of about `_MESSAGE_BYTES`."""
        results, size = self._ready, self._ready_bytes
        self._ready, self._ready_bytes = [], 0
        if size <= _MESSAGE_BYTES:
            yield b"".join(results)
            return
        part: list[bytes] = []
        size = 0
        for result in results:
            part.append(result)
            size += len(result)
            if size >= _MESSAGE_BYTES:
                yield b"".join(part)
                part, size = [], 0
        if part:
            yield b"".join(part)
