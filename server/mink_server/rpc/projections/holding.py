"""A lease that a worker holds here: how far it is, and what of it the database does not have yet."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mink_server.core.filters import EventFilter, Partition
from mink_server.core.projections.model import Progress, Task
from mink_server.rpc.projections import messages

if TYPE_CHECKING:
    from mink_server.core.projections.model import Grant
    from mink_server.rpc.projections.replays import Replays

# Messages of events that may be without an answer.
_MOST_UNANSWERED: Final = 4
# Over how many seconds the rate is taken, about; and the rate below which it is none.
_RATE_OVER: Final = 5.0
_LEAST_RATE: Final = 0.01


class Held:
    """One lease of one session.

    Attributes:
        lease: The lease.
        key: Its LeaseKey, as bytes.
        grant: What it is for.
        until: Loop time at which it has run out, unless it is renewed.
        revoked_at: Loop time at which the worker was told to give it back; None: it was not.
        starting: The worker has said from where to send events.
        started: That is durable, and events are sent.
        checkpoint: Every event of the partition up to it is handled.
        told: Up to this position everything was sent, and the worker knows.
        replays: Tries parked events again; None: the worker has not started.
        tasks: What is done for it.

    Args:
        grant: The lease, as it was given.
        until: See above.
        now: Loop time.
    """

    def __init__(self, grant: Grant, until: float, now: float) -> None:
        self.grant = grant
        self.lease = grant.lease
        self.key = messages.key(grant.lease)
        self.until = until
        self.revoked_at: float | None = None
        self.starting = self.started = False
        self.checkpoint = grant.checkpoint
        self.told = grant.checkpoint
        self.replays: Replays | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self._unanswered: deque[int] = deque()
        self._credit = asyncio.Event()
        self._credit.set()
        # All that the log had was sent up to here.
        self._at_head: int | None = None
        self._caught_up = False
        self._rate = _Rate(now)
        self._events = self._errors = 0
        self._saved: tuple[int, bool] = (grant.checkpoint, False)
        self._saved_rate = 0.0

    @property
    def handles(self) -> bool:
        """Whether it is for handling events."""
        return self.grant.task is Task.HANDLE

    @property
    def where(self) -> EventFilter | None:
        """Which events it is for; None: all."""
        grant = self.grant
        if grant.partitions == 1:
            return grant.where
        return replace(grant.where or EventFilter(), partition=Partition(grant.lease.partition, grant.partitions))

    def start(self, position: int) -> None:
        """The worker handles events from after a position; that is saved."""
        self.started = True
        self.checkpoint = self.told = position
        self._saved = (position, False)

    # What is sent.

    def sends(self, position: int) -> None:
        """A message of events is about to be sent, of which `position` is the last."""
        self.told = position
        self._unanswered.append(position)
        if len(self._unanswered) >= _MOST_UNANSWERED:
            self._credit.clear()

    def keeps(self, told: int) -> None:
        """What was about to be sent last was not; `told` is how far it was before."""
        self.told = told
        self._unanswered.pop()
        self._credit.set()

    async def credit(self) -> None:
        """Waits until another message of events may be sent."""
        await self._credit.wait()

    @property
    def has_credit(self) -> bool:
        """Whether another message of events may be sent."""
        return self._credit.is_set()

    def reached_head(self, position: int) -> None:
        """All that the log had was sent."""
        self._at_head = position
        self._settle()

    def fell_behind(self) -> None:
        """There is more than what was sent."""
        self._at_head = None
        self._caught_up = False

    # What the worker answers.

    def handled(self, position: int, events: int, errors: int, now: float) -> None:
        """Everything up to a position is handled."""
        self.checkpoint = max(self.checkpoint, position)
        while self._unanswered and self._unanswered[0] <= position:
            self._unanswered.popleft()
        if len(self._unanswered) < _MOST_UNANSWERED:
            self._credit.set()
        self._events += events
        self._errors += errors
        self._rate.add(events, now)
        self._settle()

    def failed(self, errors: int) -> None:
        """A handler has failed, as often as this."""
        self._errors += errors

    def _settle(self) -> None:
        if self._at_head is not None and (not self._unanswered or self._unanswered[0] > self._at_head):
            self._caught_up = True

    # What the database does not have yet.

    @property
    def moved(self) -> bool:
        """Whether there is something to save."""
        return self.started and bool(self._events or self._errors or self._saved != (self.checkpoint, self._caught_up))

    def due(self, now: float) -> bool:
        """Whether there is something to save when that costs nothing, as in a round."""
        return self.moved or (self.started and self._saved_rate != self._rate.at(now))

    def take(self, now: float) -> Progress:
        """How far it is. If that is not saved, it is to be put back."""
        self._saved = (self.checkpoint, self._caught_up)
        self._saved_rate = self._rate.at(now)
        progress = Progress(self.lease, self.checkpoint, self._events, self._errors, self._saved_rate, self._caught_up)
        self._events = self._errors = 0
        return progress

    def put_back(self, progress: Progress) -> None:
        """What was taken was not saved."""
        self._events += progress.events
        self._errors += progress.errors
        self._saved = (-1, False)

    def end(self) -> None:
        """Nothing is sent under it any more."""
        for task in self.tasks:
            task.cancel()


class _Rate:
    """Events a second, lately: the newer ones count more.

    Args:
        now: Loop time.
    """

    def __init__(self, now: float) -> None:
        self._began = self._at = now
        self._decayed = 0.0

    def add(self, events: int, now: float) -> None:
        """Takes events that were handled."""
        self._decayed = self._decayed * math.exp((self._at - now) / _RATE_OVER) + events
        self._at = now

    def at(self, now: float) -> float:
        """The rate at a moment."""
        # In its first seconds there was less time for events than later.
        over = _RATE_OVER * -math.expm1(min(self._began - now, -0.5) / _RATE_OVER)
        rate = self._decayed * math.exp((self._at - now) / _RATE_OVER) / over
        return rate if rate >= _LEAST_RATE else 0.0
