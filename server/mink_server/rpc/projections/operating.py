"""What operators wait for: that a pause is acknowledged, that parked events were tried again, that something changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mink.v1 import projections_pb2 as pb

from mink_server.core.access import ANYBODY
from mink_server.rpc.projections import convert
from mink_server.rpc.projections.observing import FRESH, Observing
from mink_server.rpc.projections.replays import REMOVED
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.core.projections.model import Observed
    from mink_server.core.projections.port import Control
    from mink_server.rpc.lifetime import Lifetime
    from mink_server.rpc.projections.supervisor import Supervisor
    from mink_server.rpc.waiting import Waiting

# Seconds that a pause waits at most, and a replay whose caller has set no deadline.
_LONGEST_PAUSE: Final = 10.0
_LONGEST_REPLAY: Final = 60.0
# Of the time that a call has left, what is kept for its answer.
_KEPT: Final = 0.1
_LEAST_KEPT: Final = 0.2
# Seconds between two looks; sooner if a worker here has changed something.
_LOOK_EVERY: Final = 0.2
_PAGE: Final = 1000


class Paused(NamedTuple):
    """What became of a pause."""

    observed: Observed
    acknowledged: int
    not_acknowledged: list[str]


class Tried(NamedTuple):
    """What became of parked events."""

    handled: int
    failed: int
    waiting: int


class Operating:
    """Waits for what operators wait for.

    Args:
        control: The projections.
        supervisor: Says when something has changed.
    """

    def __init__(self, control: Control, supervisor: Supervisor) -> None:
        self._control = control
        self._supervisor = supervisor
        self._observing = Observing(control)

    async def pause(self, projection: str, left: float | None) -> Paused:
        """Pauses, and waits until nobody is at it any more; `left`: seconds that the caller waits.

        Raises:
            ProjectionNotFoundError: There is none of that name.
        """
        end = _end(left, _LONGEST_PAUSE)
        before = await self._control.pause(projection)
        self._supervisor.changed(projection)
        were = _holders(before)
        while True:
            observed = await self._control.get(projection)
            are = _holders(observed)
            if not are or time.monotonic() >= end:
                names = sorted(are[worker] for worker in are)
                return Paused(observed, len(were.keys() - are.keys()), names)
            await self._supervisor.wait(min(_LOOK_EVERY, max(end - time.monotonic(), 0)))

    async def replay(self, projection: str, positions: Sequence[int], left: float | None) -> Tried:
        """Has parked events tried again, and waits for that; see `pause`."""
        end = _end(left, _LONGEST_REPLAY)
        asked = await self._control.replay(projection, positions)
        self._supervisor.changed(projection)
        while True:
            parked = await self._control.replaying(projection, asked) if asked else {}
            waiting = sum(parked.values())
            if not waiting or time.monotonic() >= end or not _workers(await self._control.get(projection)):
                failed = [position for position, waits in parked.items() if not waits]
                await self._drop_removed(projection, failed)
                # What somebody has dropped meanwhile was neither handled, nor has it failed.
                gone = [position for position in asked if position not in parked]
                handled = await self._control.handled(projection, gone) if gone else 0
                return Tried(handled, len(failed), waiting)
            await self._supervisor.wait(min(_LOOK_EVERY, max(end - time.monotonic(), 0)))

    async def _drop_removed(self, projection: str, failed: Sequence[int]) -> None:
        """Forgets those parked events that the log has no more: nobody can ever handle them."""
        after, last = min(failed, default=1) - 1, max(failed, default=0)
        while after < last:
            page = await self._control.parked(projection, after, _PAGE)
            removed = [event.position for event in page if event.message == REMOVED]
            if removed:
                await self._control.drop(projection, removed)
            after = page[-1].position if len(page) == _PAGE else last

    async def watch(self, projection: str, lifetime: Lifetime, waiting: Waiting, context: Any, longest_silence: float) -> None:
        """Sends how projections are whenever that changes.

        Raises:
            ProjectionNotFoundError: There is none of that name, or not any more.
            ShuttingDownError: It had to end.
        """
        call = CURRENT.get()
        sent: list[bytes] | None = None
        sent_at = 0.0
        while True:
            found = convert.projections(await self._observing.look(projection), call.identity if call else ANYBODY)
            now = [_compared(message) for message in found]
            if now != sent or time.monotonic() - sent_at >= longest_silence:
                response = pb.WatchProjectionsResponse(projections=found)
                response.server_time.GetCurrentTime()
                await waiting.send(context, response.SerializeToString(), 2)
                sent, sent_at = now, time.monotonic()
            if (error := lifetime.over) is not None:
                raise error
            await self._supervisor.wait(max(min(FRESH, lifetime.left), 0))


def _compared(projection: pb.Projection) -> bytes:
    """What makes it another one: not that its workers gave another sign of life."""
    compared = pb.Projection()
    compared.CopyFrom(projection)
    for worker in compared.workers:
        worker.ClearField("seen_at")
    return compared.SerializeToString(deterministic=True)


def _end(left: float | None, longest: float) -> float:
    """Until when (time.monotonic()) to wait, for a caller that waits so many seconds."""
    if left is not None:
        longest = min(longest, max(left - max(left * _KEPT, _LEAST_KEPT), 0))
    return time.monotonic() + longest


def _holders(observed: Observed) -> dict[str, str]:
    """The workers that hold a lease: ids and names."""
    row = observed.row
    names = {worker.worker: worker.name for worker in row.workers}
    builds = [row.live] if row.next is None else [row.live, row.next]
    holders = [p.worker for build in builds for p in build.partitions if p.held(observed.now)]
    return {worker: names.get(worker, worker) for worker in holders}


def _workers(observed: Observed) -> int:
    return sum(worker.seen_until > observed.now for worker in observed.row.workers)
