"""Who gets which lease, and when a rebuild takes its next step. Pure: it decides, and changes nothing.

It is called with a projection's rows locked, by each server for the workers that are connected to it. Leases are what keeps two
workers apart; fairness is only a matter of who gives one back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mink_server.core.projections.model import Phase, Task

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from mink_server.core.projections.model import BuildRow, PartitionRow, ProjectionRow, WorkerRow


@dataclass(slots=True)
class Decision:
    """What is to be done with a projection.

    Attributes:
        phases: New phases, by build.
        rebuilt: The live build has reached its target.
        grants: (worker, build, partition, task): leases to be given.
        revokes: (worker, build, partition): leases to be given back.
    """

    phases: dict[int, Phase] = field(default_factory=dict)
    rebuilt: bool = False
    grants: list[tuple[str, int, int, Task]] = field(default_factory=list)
    revokes: list[tuple[str, int, int]] = field(default_factory=list)


def decide(row: ProjectionRow, mine: Collection[str], now: datetime) -> Decision:
    """Decides about a projection.

    Args:
        row: The projection, locked.
        mine: The workers for which leases are given and taken back: those that are connected here.
        now: The database's time.
    """
    decision = Decision()
    workers = [worker for worker in row.workers if worker.seen_until > now]
    if not row.paused:
        _advance(row, workers, now, decision)
    for build in _builds(row):
        task = _wanted(row, build)
        _revoke_wrong(row, build, task, mine, now, decision)
        eligible = [w for w in workers if fits(w, build, task) and not w.leaving] if task else []
        if task is Task.HANDLE:
            _share(row, build, eligible, mine, now, decision)
        elif task is not None:
            _give_task(row, build, task, eligible, mine, now, decision)
    return decision


def fits(worker: WorkerRow, build: BuildRow, task: Task | None = Task.HANDLE) -> bool:
    """Whether a worker's code can do a task for a build."""
    able = {Task.CLEAR: worker.can_clear, Task.SWITCH: worker.can_switch}.get(task, True) if task else True
    return worker.revision == build.revision and able


def _builds(row: ProjectionRow) -> list[BuildRow]:
    return [row.live] if row.next is None else [row.live, row.next]


def _advance(row: ProjectionRow, workers: list[WorkerRow], now: datetime, decision: Decision) -> None:
    """Takes the steps of a rebuild that follow from how far the partitions are."""
    live, following = row.live, row.next
    done = min(p.checkpoint for p in live.partitions)
    if live.phase is Phase.FOLLOWING and live.target is not None and done >= live.target:
        decision.rebuilt = True
        live.target = None
    if following is None:
        return
    able = any(fits(w, following, Task.SWITCH) and not w.leaving for w in workers)
    faulted = any(p.faulted for p in following.partitions)
    reached = min(p.checkpoint for p in following.partitions)
    if following.phase is Phase.FOLLOWING:
        # A live build that is being cleared will not be ahead of anything.
        if able and not faulted and all(p.caught_up for p in following.partitions) and reached >= (following.target or 0):
            _enter(following, Phase.OVERTAKING, decision)
    elif not able or faulted:
        # Nobody can finish it now: the live build must not stand still for that.
        _enter(following, Phase.FOLLOWING, decision)
    elif (
        following.phase is Phase.OVERTAKING
        and not any(p.held(now) for p in live.partitions)
        and reached >= max(p.checkpoint for p in live.partitions)
    ):
        _enter(following, Phase.SWITCHING, decision)


def _enter(build: BuildRow, phase: Phase, decision: Decision) -> None:
    build.phase = phase
    decision.phases[build.build] = phase


def _wanted(row: ProjectionRow, build: BuildRow) -> Task | None:
    """What the workers of a build should do now; None: nothing."""
    if row.paused:
        return None
    if build is row.live:
        if row.next is not None and row.next.phase in (Phase.OVERTAKING, Phase.SWITCHING):
            return None
        return Task.CLEAR if build.phase is Phase.CLEARING else Task.HANDLE
    return Task.SWITCH if build.phase is Phase.SWITCHING else Task.HANDLE


def _right(row: ProjectionRow, partition: PartitionRow, task: Task | None) -> bool:
    """Whether a lease may stay."""
    return partition.task is task and partition.token > row.restart_token


def _revoke_wrong(
    row: ProjectionRow, build: BuildRow, task: Task | None, mine: Collection[str], now: datetime, decision: Decision
) -> None:
    leaving = {w.worker for w in row.workers if w.leaving}
    for partition in build.partitions:
        wrong = not _right(row, partition, task) or partition.worker in leaving
        if partition.held(now) and partition.worker in mine and wrong:
            decision.revokes.append((partition.worker, build.build, partition.partition))


def _share(
    row: ProjectionRow, build: BuildRow, eligible: list[WorkerRow], mine: Collection[str], now: datetime, decision: Decision
) -> None:
    """Gives every eligible worker its fair share of a build's partitions."""
    holding: dict[str, list[PartitionRow]] = {worker.worker: [] for worker in eligible}
    for partition in build.partitions:
        if partition.held(now) and _right(row, partition, Task.HANDLE) and partition.worker in holding:
            holding[partition.worker].append(partition)
    free = [partition for partition in build.partitions if partition.grantable(now)]
    # Partitions that are given back will be shared, too; those that are faulted are nobody's.
    shared = sum(not p.faulted or p.grantable(now) or p.held(now) for p in build.partitions)
    quotas = _quotas(eligible, {worker: len(held) for worker, held in holding.items()}, shared)
    for worker, held in holding.items():
        if worker not in mine:
            continue
        for partition in held[quotas[worker] :]:
            decision.revokes.append((worker, build.build, partition.partition))
        for _ in range(min(quotas[worker] - len(held), len(free))):
            decision.grants.append((worker, build.build, free.pop(0).partition, Task.HANDLE))


def _quotas(eligible: list[WorkerRow], counts: dict[str, int], partitions: int) -> dict[str, int]:
    """How many partitions each worker should have: one more or less than others, and who has more keeps more."""
    order = sorted(eligible, key=lambda w: (-counts[w.worker], w.connected_at, w.worker))
    quotas = {worker.worker: 0 for worker in order}
    while partitions:
        takers = [w for w in order if not w.max_partitions or quotas[w.worker] < w.max_partitions][:partitions]
        if not takers:
            break
        for worker in takers:
            quotas[worker.worker] += 1
        partitions -= len(takers)
    return quotas


def _give_task(
    row: ProjectionRow,
    build: BuildRow,
    task: Task,
    eligible: list[WorkerRow],
    mine: Collection[str],
    now: datetime,
    decision: Decision,
) -> None:
    """Gives one worker the whole of a build, when nobody is at it any more; nor at the other one, if readers will see it change."""
    touched = _builds(row) if task is Task.SWITCH else [build]
    if any(partition.held(now) for other in touched for partition in other.partitions):
        return
    first = build.partitions[0]
    if first.grantable(now):
        for worker in eligible:
            if worker.worker in mine:
                decision.grants.append((worker.worker, build.build, first.partition, task))
                return
