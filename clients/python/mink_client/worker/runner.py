"""One projection in this process: its calls one after the other, and the leases that it holds under the present one."""

from __future__ import annotations

import asyncio
import logging
import math
import shlex
from functools import partial
from typing import TYPE_CHECKING, Final

from mink.v1.projections_pb2 import LeaseKey, Released, RunRequest

from mink_client.errors import DeadlineExceeded, InternalError, MinkError, ShuttingDown
from mink_client.projections.lease import Lease
from mink_client.retry import Backoff, is_transient
from mink_client.worker.call import Call
from mink_client.worker.faults import still_faulted
from mink_client.worker.messages import hello
from mink_client.worker.partition import Ending, Partition
from mink_client.worker.status import FaultedPartition, Place, RunnerStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink.v1.projections_pb2 import Assigned, RunResponse, Welcome

    from mink_client.channel import Connection
    from mink_client.projections.definition import Definition

_log: Final = logging.getLogger("mink_client.worker")

_REVOKED: Final = 0.6
"""The part of a lease's time that what is under way may take when the server wants the lease back."""
_DRAINED: Final = 0.9
"""The part of a drain's time after which it is cancelled."""
_GOODBYE: Final = 2.0
"""Seconds that the server may take to end a call whose leases were all given back."""
_AGAIN: Final = 60.0
"""Seconds between two warnings that there is no connection."""


class Runner:
    """Runs one projection until it is told to stop, or fails for good.

    Attributes:
        status: How it is.
    """

    def __init__(
        self,
        definition: Definition,
        connection: Connection,
        status: RunnerStatus,
        *,
        name: str,
        max_partitions: int,
        timeout: float,
        patience: float | None,
        stop: Callable[[], None],
    ) -> None:
        """Prepares it.

        Args:
            definition: The projection.
            connection: Where the calls go.
            status: Where to write how it is.
            name: The worker's name, for people.
            max_partitions: How many partitions of a build to take at most; 0: all.
            timeout: Seconds in which the server must welcome the worker.
            patience: Seconds to wait for a server that has never answered; None: as long as it takes.
            stop: Tells the worker to stop.
        """
        self.status = status
        self._definition = definition
        self._connection = connection
        self._hello = hello(definition, name, max_partitions)
        self._timeout = timeout
        self._patience = math.inf if patience is None else patience
        self._stop = stop
        self._call: Call | None = None
        self._waits = Backoff()
        self._answered = False
        self._complained_at = -math.inf
        self._stopping = asyncio.Event()
        self._partitions: dict[Place, Partition] = {}
        self._tasks: dict[Place, set[asyncio.Task[None]]] = {}  # also of leases that are over, until their handlers have ended

    async def run(self) -> None:
        """Runs until `drain` or `cut`.

        Raises:
            MinkError: The server refuses the projection or the worker, or never answered.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._patience
        looks = loop.create_task(self._look_at_faults(), name="mink-worker-faults")
        try:
            while not self._stopping.is_set():
                self._connection.check_open()
                version = self._connection.version
                self._call = Call(self._connection, self._hello, self, patience=self._timeout)
                failure = await self._call.run()
                self._disconnected()
                if self._stopping.is_set():
                    return
                if await self._waits.renews(self._connection, version, failure):
                    continue
                await self._wait(failure, give_up_at)
        finally:
            looks.cancel()
            await asyncio.wait({looks})
            self._disconnected()
            if tasks := self._working():
                await asyncio.wait(tasks, timeout=_GOODBYE)

    async def drain(self, seconds: float) -> None:
        """Finishes what is under way, gives all leases back, and ends.

        Args:
            seconds: How long that may take; after that it is cancelled.
        """
        self._stopping.set()
        tasks = self._working()
        for held in self._partitions.values():
            held.revoke(seconds * _DRAINED)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        if self._call is None:
            return
        if self.status.connected:
            await self._call.finish(_GOODBYE)
        else:
            self._call.cut()

    def cut(self) -> None:
        """Ends at once: what is under way is cancelled."""
        self._stopping.set()
        if self._call is not None:
            self._call.cut()
        self._disconnected()

    def _leave(self) -> None:
        """Takes no more leases, and has the worker stopped."""
        self._stopping.set()
        self._stop()

    def _working(self) -> set[asyncio.Task[None]]:
        return set().union(*self._tasks.values())

    # Connecting.

    async def _wait(self, failure: MinkError, give_up_at: float) -> None:
        """Waits before the next call.

        Raises:
            MinkError: There should be none.
        """
        delay = self._waits.next(failure)
        if isinstance(failure, ShuttingDown) and self._waits.attempts == 1:
            delay = min(delay, self._timeout, 0.05)  # another server is there, or this one will be back: whoever is asked next says
        now = asyncio.get_running_loop().time()
        lasting = not self._answered and now + delay >= give_up_at
        if lasting or not (is_transient(failure) or (self._answered and isinstance(failure, _PASSING))):
            raise failure
        level = logging.DEBUG
        if isinstance(failure, ShuttingDown):
            level = logging.INFO
        elif (self._answered or self._waits.attempts > 1) and now - self._complained_at >= _AGAIN:
            # The very first one may be a refusal that gRPC lost (grpc/grpc#36066): the next attempt says what it is.
            level, self._complained_at = logging.WARNING, now
        _log.log(level, "%s: not connected: %s; trying again", self._definition.name, failure)
        try:
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _disconnected(self) -> None:
        if self.status.connected:
            _log.info("%s: disconnected", self._definition.name)
        self.status.connected = False
        self._call = None
        self._lose_all()

    def _lose_all(self) -> None:
        for held in list(self._partitions.values()):
            held.lose()

    # What the server says; see Receiver.

    def welcomed(self, welcome: Welcome) -> None:
        """See Receiver."""
        self._waits.reset()
        self._answered = True
        self._complained_at = -math.inf
        self.status.connected, self.status.worker_id = True, welcome.worker_id
        _log.info(
            "%s: connected to %s as %s, worker %s, revision %d",
            self._definition.name, self._connection.target, self._hello.worker, welcome.worker_id, self._hello.revision,
        )  # fmt: skip

    def fell_silent(self) -> None:
        """See Receiver."""
        self._lose_all()

    def received(self, message: RunResponse) -> None:
        """See Receiver."""
        kind = message.WhichOneof("message")
        if kind == "heartbeat":
            self.status.see(message.heartbeat.head)
        elif kind == "assigned":
            self._assigned(message.assigned)
        elif kind == "revoked":
            self._revoked(message.revoked.lease, lost=message.revoked.lost)
        elif kind in _OF_A_LEASE:
            part = getattr(message, kind)
            held = self._held(part.lease)
            if held is not None:  # otherwise sent before the server heard that the lease is over
                getattr(held, kind)(part)

    def _held(self, key: LeaseKey) -> Partition | None:
        held = self._partitions.get((key.build, key.partition))
        return held if held is not None and held.token == key.token else None

    def _assigned(self, assigned: Assigned) -> None:
        call, key = self._call, assigned.lease
        if call is None or call.welcome is None or self._stopping.is_set():
            return  # the call ends soon, and the lease with it
        place = (key.build, key.partition)
        before = self._partitions.pop(place, None)
        if before is not None:
            before.lose()
        lease = Lease(
            projection=self._definition.name,
            build=key.build,
            partition=key.partition,
            token=key.token,
            partitions=assigned.partitions,
            live=assigned.live,
            live_build=assigned.live_build,
        )
        held = Partition(
            assigned,
            lease=lease,
            definition=self._definition,
            log_id=call.welcome.log_id,
            send=call.send,
            status=self.status,
            before=frozenset(self._tasks.get(place, ())),
            stop=self._leave,
        )
        self.status.faulted.pop(place, None)
        self.status.held[place] = assigned.checkpoint
        self._partitions[place] = held
        task = held.start()
        self._tasks.setdefault(place, set()).add(task)
        task.add_done_callback(partial(self._ended, place, held))
        _log.info("%s: %s assigned, checkpoint %d", self._definition.name, _which(held), assigned.checkpoint)

    def _revoked(self, key: LeaseKey, *, lost: bool) -> None:
        held, call = self._held(key), self._call
        if held is not None and lost:
            held.lose()
        elif held is not None and call is not None:
            held.revoke(call.lease * _REVOKED)
        elif call is not None and not lost:
            call.send(RunRequest(released=Released(lease=key)))

    def _ended(self, place: Place, held: Partition, task: asyncio.Task[None]) -> None:
        """A lease is over, and nothing works under it any more."""
        self._tasks[place].discard(task)
        if not self._tasks[place]:
            del self._tasks[place]
        if self._partitions.get(place) is held:
            del self._partitions[place]
            self.status.held.pop(place, None)
        name = self._definition.name
        if not task.cancelled() and (bug := task.exception()) is not None:
            _log.error("%s: %s ended by %s, which is a bug", name, _which(held), type(bug).__name__)
            return
        if held.ending is Ending.FAULTED and held.fault is not None:
            poison, after = held.fault.poison, held.fault.restart_after
            self.status.faulted[place] = FaultedPartition(
                *place, poison.position, poison.type, after, asyncio.get_running_loop().time()
            )
            again = "until an operator restarts it" if after is None else f"for {after:g} s"
            at = f" at position {poison.position} ({poison.type} in {poison.stream})" if poison.position else ""
            # The text of an error may hold what was in an event; its class does not. The server has both.
            kind = poison.message.partition(":")[0]
            _log.warning(
                "%s: %s faulted%s: %s; it stays so %s; see `mink projection status %s`",
                name, _which(held), at, kind, again, shlex.quote(name),
            )  # fmt: skip
        elif held.ending in (Ending.RELEASED, Ending.DONE):
            _log.info("%s: %s %s", name, _which(held), held.ending.value)
        else:
            _log.warning("%s: %s lost", name, _which(held))

    async def _look_at_faults(self) -> None:
        """Forgets faults that are over, which only the server knows: others may have taken the partitions."""
        while True:
            await asyncio.sleep(_LOOK_AT_FAULTS)
            # What was told just now may not be written there yet.
            before = asyncio.get_running_loop().time() - _LOOK_AT_FAULTS
            asked = {place for place, fault in self.status.faulted.items() if fault.since < before}
            if asked and self.status.connected:
                found = await still_faulted(self._connection, self._definition.name, self._timeout)
                for place in asked - (asked if found is None else found):
                    self.status.faulted.pop(place, None)


def _which(held: Partition) -> str:
    lease = held.lease
    return f"partition {lease.partition} of {lease.partitions} (build {lease.build}, token {lease.token})"


_OF_A_LEASE: Final = frozenset({"events", "progress", "parked", "replay"})
_PASSING: Final = (InternalError, DeadlineExceeded)
"""Failures that end a call of somebody who waits, and that a worker outlives once it was connected."""
_LOOK_AT_FAULTS: Final = 5.0
"""Seconds."""
