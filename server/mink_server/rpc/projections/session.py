"""Run: one worker, for as long as it lives."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from mink.v1 import projections_pb2 as pb

from mink_server.core.access import ANYBODY
from mink_server.core.errors import (
    FieldViolation,
    InvalidRequestError,
    OverloadedError,
    PermissionDeniedError,
    PositionAheadError,
    ShuttingDownError,
)
from mink_server.rpc.caller import CALLER, Guarded
from mink_server.rpc.projections import messages
from mink_server.rpc.projections.answers import Answers
from mink_server.rpc.projections.desk import Desk
from mink_server.rpc.projections.hello import check_builds, joining
from mink_server.rpc.projections.leases import Leases
from mink_server.rpc.projections.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from mink_server.core.filters import EventFilter
    from mink_server.core.log import Log
    from mink_server.core.projections.model import Joining, Member, Orders
    from mink_server.rpc.admission import Admission
    from mink_server.rpc.drain import Drain
    from mink_server.rpc.lifetime import Lifetime
    from mink_server.rpc.projections.supervisor import Supervisor
    from mink_server.rpc.waiting import Waiting

# Seconds until the Hello must be there.
_HELLO: Final = 5.0
# Bytes of a Hello with the largest filter that there may be, and of any other message.
_LARGEST_HELLO: Final = 4 * 1024 * 1024
_LARGEST: Final = 64 * 1024
# Of a lease's time, how long a worker may be silent. A worker that hears nothing stops earlier (0.7): one that is cut off has
# stopped before another begins.
_SILENCE: Final = 1.0


class Session:
    """One call.

    Attributes:
        worker: The worker's id.
        leases: Its leases.

    Args:
        log: The log, with its projections.
        supervisor: Decides with the database who gets which lease.
        drain: Says when the server is about to stop.
        lifetime: Says when the call has to end.
        admission: Counts the bytes of a Hello.
        waiting: Sends messages.
        context: The call.
        patience: Seconds that the worker has for giving back its leases when the call has to end.
    """

    def __init__(
        self,
        log: Log,
        supervisor: Supervisor,
        drain: Drain,
        lifetime: Lifetime,
        admission: Admission,
        waiting: Waiting,
        context: Any,
        patience: float,
    ) -> None:
        self._log = log
        self._supervisor = supervisor
        self._drain = drain
        self._lifetime = lifetime
        self._admission = admission
        self._waiting = waiting
        self._caller = CALLER.get()
        self._context = context
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(waiting, context if self._caller is None else Guarded(context, self._caller))
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._heard = self._loop.time()
        self._busy = False
        self.worker = uuid.uuid4().hex
        self.leases: Leases

    async def run(self) -> None:
        """Serves the worker until one of both sides ends the call.

        Raises:
            InvalidRequestError: A message of the worker cannot be right.
            ShuttingDownError: It had to end, or the worker was silent; its leases are given back, or were taken away.
            OverloadedError: The worker was too slow, or there are too many.
            AccessError: The worker may not follow the projection's events, or not any more.
        """
        await self._begin()
        try:
            await self._welcome()
            await self._serve()
        finally:
            await asyncio.wait((self._supervisor.leave(self),), timeout=self._supervisor.lease)

    async def _begin(self) -> None:
        """Hears the worker's Hello, and makes it known to the database."""
        try:
            async with asyncio.timeout(_HELLO):
                data = await self._context.read()
        except TimeoutError:
            raise _no_hello(f"must be sent within {_HELLO:g} seconds") from None
        if data is grpc.aio.EOF:
            raise _no_hello("must be sent first")
        self._admission.take(len(data))
        try:
            request = _parse(data, _LARGEST_HELLO)
            if request.WhichOneof("message") != "hello":
                raise _no_hello("must be sent first")
            identity = ANYBODY if self._caller is None else self._caller.now()
            worker = await joining(request.hello, self.worker, identity, self._log.reads.head)
            await self._join(worker, check_builds(worker.projection, identity))
        finally:
            self._admission.give_back(len(data))

    async def _join(self, worker: Joining, check: Callable[[EventFilter | None], None] | None) -> None:
        self.leases = Leases(worker.projection, self.worker, self._outbox, self._supervisor.lease)
        self._desk = Desk(self._log, self._drain, self._waiting, self._outbox, self.leases, self._supervisor.changed, self.end)
        try:
            await self._log.projections.workers.join(worker, check)
        except (InvalidRequestError, OverloadedError, PermissionDeniedError, PositionAheadError):
            raise
        except BaseException:
            self._supervisor.leave(self)  # whether the database knows it or not
            raise
        self._heard = self._loop.time()
        self._supervisor.enter(self)

    async def _welcome(self) -> None:
        # Not through the outbox: while its first message is on its way, a call of gRPC's cannot be ended.
        welcome = messages.welcome(self.worker, self._supervisor.lease, self._log.tail.log_id)
        await self._waiting.send(self._context, welcome, 1, refuse=False)

    async def _serve(self) -> None:
        answers = Answers(self.leases, self._desk, self._outbox, self._supervisor.counts)
        reading = self._start(self._read(answers), "reading")
        working = [reading, self._start(self._outbox.run(), "sending"), self._start(self._desk.run(), "desk")]
        over = self._start(self._lifetime.wait(), "lifetime")
        try:
            await asyncio.wait((*working, over, self._ended), return_when=asyncio.FIRST_COMPLETED)
            if over.done() and not any(task.done() for task in (*working, self._ended)):
                await self._give_back(working)
            _raise_first(self._ended, *working)
            if reading.done():
                await self._finish(working)
            if (error := self._lifetime.over) is not None:
                raise error
        finally:
            for task in (*working, over):
                task.cancel()
            await asyncio.gather(*working, over, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=f"mink-projection-{name}")

    async def _give_back(self, working: list[asyncio.Task[None]]) -> None:
        """Lets the worker give back its leases, for as long as there is patience."""
        self.leases.leave()
        self._supervisor.changed(self.leases.projection)
        giving = self._start(self._given_back(), "giving-back")
        try:
            await asyncio.wait((giving, self._ended, *working), timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            giving.cancel()
            await asyncio.gather(giving, return_exceptions=True)

    async def _given_back(self) -> None:
        await self.leases.given_back()
        await self._said()

    async def _said(self) -> None:
        """What the worker has said is done, and no message is on its way: gRPC does not end a call then."""
        await self._desk.done()
        await self._outbox.flush()

    async def _finish(self, working: list[asyncio.Task[None]]) -> None:
        """The worker says nothing any more: what it has said is done."""
        done = self._start(self._said(), "finishing")
        try:
            await asyncio.wait((done, self._ended), timeout=self._supervisor.lease, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
            await asyncio.gather(done, return_exceptions=True)
        _raise_first(self._ended, *working)

    async def _read(self, answers: Answers) -> None:
        while (data := await self._context.read()) is not grpc.aio.EOF:
            self._heard = self._loop.time()
            if self._caller is not None:
                self._caller.check()
            answers.take(_parse(data, _LARGEST))
            if self._desk.full:
                self._busy = True
                await self._desk.room()
                self._heard = self._loop.time()
                self._busy = False
            await self._outbox.room()

    # What the supervisor asks and says.

    def end(self, error: Exception) -> None:
        """Ends the call."""
        if not self._ended.done():
            self._ended.set_exception(error)
            self._ended.exception()  # it is looked at, or the call has ended already

    def obey(self, orders: Orders, as_of: float, renewed: Member) -> None:
        """Does what a round has decided; see `Leases.obey`."""
        if not orders.known:
            self.end(ShuttingDownError("this worker is not known any more: call again", retry_after=0.0))
            return
        self.leases.obey(orders, as_of, renewed)
        self._outbox.put(messages.heartbeat(self._log.tail.head))

    def look(self, *, listened: bool) -> None:
        """Ends leases that have run out and, if anybody has listened to the worker lately, the call if it is silent or too slow."""
        self.leases.expire(self._desk.release)
        now, lease = self._loop.time(), self._supervisor.lease
        if not listened:
            self._heard = now
        elif not self._busy and now - self._heard > lease * _SILENCE:
            said = f"nothing was heard from this worker for {lease * _SILENCE:g} s, and its leases are taken away: call again"
            self.end(ShuttingDownError(said, retry_after=0.0))
        since = self._outbox.slow_since()
        if since is not None and now - since > lease:
            self._outbox.cut()


def _no_hello(description: str) -> InvalidRequestError:
    return InvalidRequestError([FieldViolation("hello", description)])


def _raise_first(*futures: asyncio.Future[None]) -> None:
    """Raises what the first of them has failed with, if one has."""
    for future in futures:
        if future.done() and (error := future.exception()) is not None:
            raise error


def _parse(data: bytes, largest: int) -> pb.RunRequest:
    if len(data) > largest:
        raise InvalidRequestError([FieldViolation("", f"has {len(data)} bytes, at most {largest} are allowed")])
    try:
        return pb.RunRequest.FromString(data)
    except DecodeError:
        raise InvalidRequestError([FieldViolation("", "is not a message that the protos describe")]) from None
