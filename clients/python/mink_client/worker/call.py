"""One call of Run, from its Hello to its end: heartbeats both ways, and a clock that says how long the leases are good."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

import grpc
from mink.v1.projections_pb2 import RunRequest, WorkerHeartbeat

from mink_client.errors import MinkError, Unavailable
from mink_client.worker.outbox import Outbox

if TYPE_CHECKING:
    from mink.v1.projections_pb2 import Hello, RunResponse, Welcome

    from mink_client.channel import Connection

_log: Final = logging.getLogger("mink_client.worker")

_SHORTEST_BEAT: Final = 0.01
"""Seconds."""
_LOOKS: Final = 10
"""How often in a lease's time the clock is looked at."""
_SILENCE: Final = 0.7
"""The part of a lease for which the server may be silent. It waits longer for the worker: one that is cut off has stopped before
another begins."""
_BLOCKED: Final = 0.5
"""The part of a lease for which an event loop may stand still without a warning."""


class BrokenProtocol(Exception):  # noqa: N818 - the call ends with a MinkError
    """The server said what it must not say."""


class Receiver(Protocol):
    """Who gets what the server says. None of its methods waits, so that the call is always read."""

    def welcomed(self, welcome: Welcome) -> None:
        """The server knows the worker."""

    def received(self, message: RunResponse) -> None:
        """Any message after the Welcome."""

    def fell_silent(self) -> None:
        """Nothing was heard for most of a lease's time: every lease is lost."""


class Call:
    """One call of Run.

    Attributes:
        welcome: The server's first message; None before it came.
        lease: Seconds that a lease lasts; 0 before the Welcome.
    """

    def __init__(self, connection: Connection, hello: Hello, receiver: Receiver, *, patience: float) -> None:
        """Prepares a call.

        Args:
            connection: Where it goes.
            hello: The first message.
            receiver: Who gets what the server says.
            patience: Seconds in which the Welcome must come.
        """
        self.welcome: Welcome | None = None
        self.lease = 0.0
        self._connection = connection
        self._hello = hello
        self._receiver = receiver
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._channel = connection.channel()
        self._call = connection.projections.Run()
        self._outbox = Outbox(self._call)
        self._ended = asyncio.Event()
        self._heard_at = self._loop.time()
        self._look: asyncio.TimerHandle | None = None
        self._silent = False
        self._tasks: list[asyncio.Task[None]] = []

    def send(self, message: RunRequest) -> None:
        """Says something, later and in order. Never waits."""
        self._outbox.send(message)

    def cut(self) -> None:
        """Ends the call at once."""
        self._call.cancel()

    async def finish(self, timeout: float) -> None:
        """Ends the call when everything said has arrived.

        Args:
            timeout: Seconds that the server may take to end its side; after that the call is cut.
        """
        self._outbox.close()
        try:
            async with asyncio.timeout(timeout):
                await self._ended.wait()
        except TimeoutError:
            self.cut()

    async def run(self) -> MinkError:
        """Keeps the call until it ends; answers with why it did."""
        self.send(RunRequest(hello=self._hello))
        self._tasks.append(self._loop.create_task(self._outbox.run(), name="mink-worker-writer"))
        try:
            return await self._read()
        finally:
            self._ended.set()
            if self._look is not None:
                self._look.cancel()
            self._call.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
            for task in self._tasks:
                if not task.cancelled() and (bug := task.exception()) is not None:
                    raise bug

    async def _read(self) -> MinkError:
        """Hands over what the server says until the call ends; answers with why it did."""
        target = self._connection.target
        why = "the server ended the call"
        try:
            await self._messages()
        except TimeoutError:
            self._connection.abandon(self._channel)
            why = f"no answer from Mink at {target} within {self._patience:g} s"
        except BrokenProtocol as problem:
            why = f"Mink at {target} does not speak as it should: {problem}"
        except grpc.aio.AioRpcError as cause:
            if cause.code() is not grpc.StatusCode.INTERNAL or cause.trailing_metadata():
                return self._connection.error(cause)
            # Not the server's word, which has details: gRPC's own, for a write that broke off with the connection.
            why = f"the connection to Mink at {target} broke: {cause.details()}"
        except asyncio.CancelledError:
            cut = self._connection.call_was_cut()
            if not self._silent:
                return cut
        if self._silent:
            # gRPC itself would notice only after many seconds that nobody is there, and begin the next call where nobody is.
            self._connection.abandon(self._channel)
            why = f"no message from Mink at {target} for {self.lease * _SILENCE:g} s, not even a heartbeat"
        return Unavailable("UNAVAILABLE", why)

    async def _messages(self) -> None:
        messages = aiter(self._call)
        async with asyncio.timeout(self._patience):
            first = await anext(messages, None)
        if first is None:
            return
        self._greeted(first)
        async for message in messages:
            if not self._hear():
                return
            self._receiver.received(message)

    def _greeted(self, first: RunResponse) -> None:
        if first.WhichOneof("message") != "welcome":
            raise BrokenProtocol("its first message is no Welcome")
        self.lease = first.welcome.lease.ToTimedelta().total_seconds()
        if self.lease <= 0 or first.welcome.heartbeat_interval.ToTimedelta().total_seconds() <= 0:
            raise BrokenProtocol("its Welcome has no lease, or no heartbeat interval")
        self.welcome = first.welcome
        self._heard_at = self._loop.time()
        self._watch()
        interval = first.welcome.heartbeat_interval.ToTimedelta().total_seconds()
        self._tasks.append(self._loop.create_task(self._beat(interval), name="mink-worker-heartbeat"))
        self._receiver.welcomed(first.welcome)

    # The clock.

    def _hear(self) -> bool:
        """The server has said something; false if that was too late: if the process stood still, it may have lain here for long."""
        now = self._loop.time()
        if self._silent or now - self._heard_at >= self.lease * _SILENCE:
            self._fall_silent()
            return False
        self._heard_at = now
        return True

    def _watch(self) -> None:
        if self._loop.time() - self._heard_at >= self.lease * _SILENCE:
            self._fall_silent()
        else:
            self._look = self._loop.call_later(self.lease / _LOOKS, self._watch)

    def _fall_silent(self) -> None:
        if not self._silent:
            self._silent = True
            self._receiver.fell_silent()
            self._call.cancel()

    async def _beat(self, interval: float) -> None:
        every = max(_SHORTEST_BEAT, interval)
        while True:
            due = self._loop.time() + every
            await asyncio.sleep(every)
            late = self._loop.time() - due
            if late > self.lease * _BLOCKED:
                _log.warning(
                    "%s: the event loop stood still for %.1f s, and a lease lasts %.1f s: does a handler block it?",
                    self._hello.projection, late, self.lease,
                )  # fmt: skip
            self.send(RunRequest(heartbeat=WorkerHeartbeat()))
