"""What a projection is doing, from what the database has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mink_server.core.projections.assignment import fits
from mink_server.core.projections.model import Phase, State

if TYPE_CHECKING:
    from datetime import datetime

    from mink_server.core.projections.model import BuildRow, Observed, OccurredError, PartitionRow, ProjectionRow


def state_of(row: ProjectionRow, now: datetime) -> State:
    """What a projection is doing."""
    if row.paused:
        return State.PAUSED
    return _state_of_work(row, now)


def _state_of_work(row: ProjectionRow, now: datetime) -> State:
    partitions = row.live.partitions + (row.next.partitions if row.next else [])
    held = [p for p in row.live.partitions if p.held(now)]
    if any(p.faulted for p in partitions):
        return State.FAULTED
    if row.next is not None or row.live.target is not None or row.live.phase is Phase.CLEARING:
        return State.REBUILDING
    if any(p.token <= row.restart_token for p in held):
        return State.RESTARTING
    if not held:
        return State.STOPPED
    if len(held) == len(row.live.partitions) and all(p.caught_up for p in held):
        return State.RUNNING
    return State.CATCHING_UP


def state_of_partition(row: ProjectionRow, build: BuildRow, partition: PartitionRow, now: datetime) -> State:
    """What a partition is doing."""
    if partition.faulted:
        return State.FAULTED
    if not partition.held(now):
        return State.PAUSED if row.paused else State.STOPPED
    if partition.token <= row.restart_token:
        return State.RESTARTING
    if build.target is not None or build.phase is Phase.CLEARING:
        return State.REBUILDING
    return State.RUNNING if partition.caught_up else State.CATCHING_UP


def checkpoint_of(build: BuildRow) -> int:
    """Every event up to it is handled by the build: the lowest checkpoint of its partitions."""
    return min(partition.checkpoint for partition in build.partitions)


def last_error(row: ProjectionRow) -> OccurredError | None:
    """The newest error of both builds."""
    builds = [row.live] if row.next is None else [row.live, row.next]
    errors = [p.error for build in builds for p in build.partitions if p.error is not None]
    return max(errors, key=lambda error: error.occurred_at, default=None)


def lag_of(observed: Observed) -> timedelta:
    """How long ago the oldest event was recorded that is not handled."""
    if observed.oldest_unhandled_at is None:
        return timedelta()
    return max(observed.now - observed.oldest_unhandled_at, timedelta())


def waiting_for(row: ProjectionRow, now: datetime) -> str:
    """Why a build has no worker although some are connected; empty if none has to wait."""
    workers = [w for w in row.workers if w.seen_until > now]
    if not workers or row.paused:
        return ""
    for build in [row.live] if row.next is None else [row.live, row.next]:
        if any(fits(w, build) for w in workers):
            if build.phase is Phase.CLEARING and not any(w.can_clear for w in workers if fits(w, build)):
                return "a worker that can clear the read model"
            continue
        there = ", ".join(str(revision) for revision in sorted({w.revision for w in workers}))
        return f"a worker of revision {build.revision} for build {build.build}; those that are connected have revision {there}"
    return ""
