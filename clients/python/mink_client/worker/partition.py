"""One lease: the task that hands events to the applier, until the lease is given back or lost."""

from __future__ import annotations

import asyncio
import logging
import time
from enum import Enum
from typing import TYPE_CHECKING, Final

from mink.v1.projections_pb2 import (
    CLEAR,
    HANDLE_EVENTS,
    SWITCH,
    Done,
    Faulted,
    Handled,
    LeaseKey,
    Park,
    Released,
    Replayed,
    RunRequest,
    Start,
)

from mink_client.events import RecordedEvent
from mink_client.projections.applying import Applier, Fault, LeaseLost
from mink_client.worker import status as kinds
from mink_client.worker.intake import Intake
from mink_client.worker.messages import duration, handler_error, superseded, trouble, unforeseen
from mink_client.worker.spans import apply_span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mink.v1 import projections_pb2

    from mink_client.projections.applying import Applied, Poison
    from mink_client.projections.definition import Definition
    from mink_client.projections.lease import Lease
    from mink_client.worker.status import RunnerStatus

_log: Final = logging.getLogger("mink_client.worker")

_IDLE_EVERY: Final = 1.0
"""Seconds between two moves of the checkpoint without an event."""
_PARKING: Final = 30.0
"""Seconds that the server may take to put an event aside."""
_PREDECESSOR: Final = 30.0
"""Seconds that handlers of earlier leases of the same partition may take to end."""


class Ending(Enum):
    """How a lease ended."""

    RELEASED = "released"
    DONE = "done"
    FAULTED = "faulted"
    LOST = "lost"


class Partition:
    """One lease, from its assignment to its end.

    What the server says goes in by methods that never wait; one task does the work. After `lose` nothing is begun any more, and
    what is under way is cancelled.

    Attributes:
        lease: The lease.
        ending: How it ended; None while it goes on.
        fault: What went wrong, if it ended so.
    """

    def __init__(
        self,
        assigned: projections_pb2.Assigned,
        *,
        lease: Lease,
        definition: Definition,
        log_id: str,
        send: Callable[[RunRequest], None],
        status: RunnerStatus,
        before: Collection[asyncio.Task[None]],
        stop: Callable[[], None],
    ) -> None:
        """Prepares it; `start` begins.

        Args:
            assigned: What the server assigned.
            lease: The same, as appliers know it.
            definition: The projection.
            log_id: The log's id.
            send: Says something to the server.
            status: Where to write how it goes.
            before: The tasks of leases before on the same partition, which must have ended.
            stop: Tells the worker to stop, because a handler wants the process to end.
        """
        self.lease = lease
        self.ending: Ending | None = None
        self.fault: Fault | None = None
        self._key = LeaseKey(build=lease.build, partition=lease.partition, token=lease.token)
        self._place = (lease.build, lease.partition)
        self._assigned = assigned
        self._definition = definition
        self._log_id = log_id
        self._applier = Applier(definition, lease, log_id, self._park)
        self._send = send
        self._status = status
        self._before = before
        self._stop = stop

        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._lost = False
        self._intake = Intake()
        self._parking: dict[int, asyncio.Future[None]] = {}
        self._parked = 0  # during the present apply
        self._position = 0  # everything up to it is handled
        self._idle_at = 0.0

    def start(self) -> asyncio.Task[None]:
        """Begins; answers with the task that ends with the lease."""
        name = f"mink-worker-{self.lease.projection}-{self.lease.build}-{self.lease.partition}"
        self._task = self._loop.create_task(self._run(), name=name)
        return self._task

    @property
    def token(self) -> int:
        """The lease's fencing token."""
        return self.lease.token

    # What the server says.

    def events(self, message: projections_pb2.Events) -> None:
        """Events are to be handled; see `Intake`."""
        self._status.see(message.position)
        self._intake.events(message)

    def progress(self, message: projections_pb2.Progress) -> None:
        """The partition has nothing up to a position."""
        self._status.see(message.position)
        self._intake.reach(message.position)

    def replay(self, message: projections_pb2.Replay) -> None:
        """A parked event is to be tried again; see `Intake`."""
        self._intake.replay(RecordedEvent(message.event))

    def parked(self, message: projections_pb2.Parked) -> None:
        """An event is set aside for sure."""
        future = self._parking.pop(message.position, None)
        if future is not None and not future.done():
            future.set_result(None)

    def revoke(self, within: float) -> None:
        """The lease is to be given back: what is under way is finished, the rest dropped.

        Args:
            within: Seconds that what is under way may take; after that it is cancelled.
        """
        self._intake.close()
        if self._overdue is None:
            self._overdue = self._loop.call_later(within, self._cancel)

    def lose(self) -> None:
        """The lease is over: what is under way is cancelled, and nothing is said any more."""
        self._lost = True
        self._intake.close()
        self._cancel()

    def _cancel(self) -> None:
        """Once: a second time would break off what a handler does to end."""
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()

    # The work.

    async def _run(self) -> None:
        try:
            await self._wait_for_predecessors()
            self.ending = await self._work()
        except (KeyboardInterrupt, SystemExit) as error:
            # Not raised any further: asyncio would stop in the middle of everything.
            _log.warning("%s: raised %s: the worker stops", self._definition.name, type(error).__name__)
            self.ending = Ending.RELEASED
            self._stop()
        except asyncio.CancelledError as error:
            if self._task is not None and self._task.cancelling():
                self.ending = Ending.RELEASED
            else:  # a hook's own, which cancelled something of its own
                self._say_fault(trouble(error, self._definition, self._place))
        except LeaseLost:
            self._say_superseded()
        except Fault as fault:
            self._say_fault(fault)
        except BaseException as error:  # noqa: BLE001 - the target's, or a bug: the operator is told, other partitions go on
            self._say_fault(trouble(error, self._definition, self._place))
        finally:
            self._end()

    def _end(self) -> None:
        """Whatever has happened: a lease that is not given back would be renewed for ever."""
        self._intake.close()
        if self._overdue is not None:
            self._overdue.cancel()
        if self._lost:
            self.ending = Ending.LOST
        elif self.ending is None:
            self.ending = Ending.FAULTED
            self._send(RunRequest(faulted=unforeseen(self._key)))
        elif self.ending is Ending.RELEASED:
            self._send(RunRequest(released=Released(lease=self._key)))

    async def _wait_for_predecessors(self) -> None:
        """A handler that does not heed its cancellation must not meet its successor."""
        if self._before:
            _, pending = await asyncio.wait(self._before, timeout=_PREDECESSOR)
            if pending:
                raise TimeoutError("a handler that was cancelled has not ended")

    async def _work(self) -> Ending:
        if self._assigned.task in (CLEAR, SWITCH):
            await (self._applier.clear() if self._assigned.task == CLEAR else self._applier.switch())
            if not self._lost:
                self._send(RunRequest(done=Done(lease=self._key)))
            return Ending.DONE
        if self._assigned.task != HANDLE_EVENTS:
            raise NotImplementedError(f"the worker is too old for task {self._assigned.task}")
        found = await self._applier.claim()
        intake = self._intake
        if not intake.closed:
            after, log_id = (self._assigned.checkpoint, self._log_id) if found is None else (found.position, found.log_id)
            self._position = self._status.held[self._place] = after
            intake.reach(after)
            self._send(RunRequest(start=Start(lease=self._key, after_position=after, log_id=log_id)))
            await self._follow(intake)
        return Ending.RELEASED

    async def _follow(self, intake: Intake) -> None:
        """Handles what comes until the lease ends."""
        while not intake.closed:
            if (event := intake.next_replay()) is not None:
                await self._try_again(event)
            elif intake.has_events:
                await self._apply(*intake.together())
            elif intake.reached <= self._position:
                await intake.wait(None)
            elif (left := self._idle_at - self._loop.time()) > 0:
                await intake.wait(left)
            else:
                await self._apply([], intake.reached)
                self._idle_at = self._loop.time() + _IDLE_EVERY
        if not self._lost and not intake.has_events and intake.reached > self._position:
            await self._apply([], intake.reached)

    async def _apply(self, events: list[RecordedEvent], position: int) -> None:
        self._parked = 0
        started = time.perf_counter()
        try:
            with apply_span(self.lease, events):
                applied = await self._applier.apply(events, position)
        except Fault as fault:
            if fault.applied is not None:
                self._handled(fault.applied, time.perf_counter() - started)
            raise
        self._handled(applied, time.perf_counter() - started)

    def _handled(self, applied: Applied, took: float) -> None:
        """Tells the server, and counts."""
        if self._lost:
            return
        status = self._status
        self._position = status.held[self._place] = applied.position
        status.events += applied.events
        status.errors[kinds.SKIPPED] += applied.skipped
        status.errors[kinds.PARKED] += self._parked
        status.errors[kinds.TRANSIENT] += max(0, applied.errors - applied.skipped - self._parked)
        if applied.events:
            status.durations.add(took)
        handled = Handled(
            lease=self._key,
            position=applied.position,
            events=applied.events,
            took=duration(took),
            errors=applied.errors,
            skipped=applied.skipped,
        )
        self._send(RunRequest(handled=handled))

    async def _try_again(self, event: RecordedEvent) -> None:
        poison = await self._applier.replay(event)
        if self._lost:
            return
        error = None if poison is None else handler_error(poison)
        self._send(RunRequest(replayed=Replayed(lease=self._key, position=event.position, error=error)))

    async def _park(self, poison: Poison) -> None:
        """Has an event set aside, and waits until that is safe.

        Raises:
            TimeoutError: The server did not answer.
        """
        future = self._loop.create_future()
        self._parking[poison.position] = future
        self._send(RunRequest(park=Park(lease=self._key, error=handler_error(poison))))
        try:
            async with asyncio.timeout(_PARKING):
                await future
            self._parked += 1
        finally:
            self._parking.pop(poison.position, None)

    # What went wrong.

    def _say_superseded(self) -> None:
        """Somebody claimed the read model with a greater token.

        Usually that is the next holder, and the server heeds nothing that comes under this lease. If it still does, then its tokens
        are older than the read model's, as after restoring an old backup of the log: that is for an operator.
        """
        self.ending = Ending.LOST
        if not self._lost:
            self._status.errors[kinds.LOST] += 1
            self._send(RunRequest(faulted=superseded(self._key)))

    def _say_fault(self, fault: Fault) -> None:
        if self._lost:
            return
        self.ending, self.fault = Ending.FAULTED, fault
        self._status.errors[kinds.POISON] += 1
        restart = None if fault.restart_after is None else duration(fault.restart_after)
        error = handler_error(fault.poison)
        self._send(RunRequest(faulted=Faulted(lease=self._key, error=error, restart_after=restart)))
