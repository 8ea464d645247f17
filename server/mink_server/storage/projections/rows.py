"""Rows of the database as the core's values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mink_server.core.projections.model import (
    BuildRow,
    HandlerError,
    OccurredError,
    ParkedEvent,
    PartitionRow,
    Phase,
    ProjectionRow,
    RebuildMode,
    Task,
    WorkerRow,
)
from mink_server.storage.projections.filters import filter_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mink_server.core.filters import EventFilter


@dataclass(frozen=True, slots=True)
class Code:
    """What a worker's code handles: what a build of its revision would be."""

    revision: int
    partitions: int
    where: EventFilter | None
    on_new_revision: RebuildMode

    def same(self, partitions: int, where: EventFilter | None) -> tuple[bool, bool]:
        """Whether the number of partitions and the filter are those."""
        return self.partitions == partitions, text_of(self.where) == text_of(where)


@dataclass(slots=True)
class Stored:
    """A projection, and what the core does not need of it.

    Attributes:
        row: The projection.
        partitions: How many partitions a build has, or will have when its read model is cleared.
        codes: Those of its workers, by the worker's id.
    """

    row: ProjectionRow
    partitions: dict[int, int]
    codes: dict[str, Code]

    @property
    def builds(self) -> list[BuildRow]:
        """The live build, and the next one if there is one."""
        return [self.row.live] if self.row.next is None else [self.row.live, self.row.next]

    def partition(self, build: int, partition: int) -> PartitionRow | None:
        """A partition, if it is there."""
        for one in self.builds:
            if one.build == build and 0 <= partition < len(one.partitions):
                return one.partitions[partition]
        return None

    def connected(self, now: datetime) -> list[WorkerRow]:
        """The workers that are there."""
        return [worker for worker in self.row.workers if worker.seen_until > now]

    def switching(self, now: datetime) -> bool:
        """Whether a worker may be changing what readers see."""
        return any(p.held(now) and p.task is Task.SWITCH for build in self.builds for p in build.partitions)


def projections_of(rows: Iterable[Any], worker_rows: Iterable[Any]) -> dict[str, Stored]:
    """Projections by name, from what `read.sql` and `read_workers.sql` answer."""
    found: dict[str, Stored] = {}
    builds: dict[tuple[str, int], BuildRow] = {}
    for row in rows:
        name, number = row["name"], row["build"]
        build = builds.get((name, number))
        if build is None:
            build = builds[name, number] = _build(row)
            if name in found:
                found[name].row.next = build
            else:  # Builds come by number: the live one's is the lower one.
                found[name] = Stored(_projection(row, build), {}, {})
            found[name].partitions[number] = row["partitions"]
        build.partitions.append(_partition(row))
    for row in worker_rows:
        stored = found.get(row["name"])
        if stored is not None:
            stored.row.workers.append(_worker(row))
            stored.codes[row["worker"]] = _code(row)
    return found


def parked_of(row: Any) -> ParkedEvent:
    """A parked event, from what `parked.sql` answers."""
    return ParkedEvent(
        position=row["position"],
        stream=row["stream"],
        version=row["version"] or 0,
        type=row["type"],
        event_id=row["event_id"] or "",
        partition=row["partition"],
        message=row["message"],
        attempts=row["attempts"],
        parked_at=row["parked_at"],
        replaying=row["replaying"],
    )


def end_lease(partition: PartitionRow) -> None:
    """Ends the lease of a partition."""
    partition.worker, partition.leased_at, partition.lease_until = "", None, None
    partition.caught_up, partition.rate = False, 0.0


def _projection(row: Any, live: BuildRow) -> ProjectionRow:
    return ProjectionRow(
        name=row["name"],
        paused=row["paused"],
        created_at=row["created_at"],
        last_token=row["last_token"],
        restart_token=row["restart_token"],
        live=live,
        next=None,
        workers=[],
    )


def _build(row: Any) -> BuildRow:
    return BuildRow(
        build=row["build"],
        revision=row["revision"],
        where=filter_of(row["filter"]),
        start_after=row["start_after"],
        phase=Phase(row["phase"]),
        target=row["target"],
        rebuild_began_at=row["rebuild_began_at"],
        partitions=[],
    )


def _partition(row: Any) -> PartitionRow:
    return PartitionRow(
        partition=row["partition"],
        checkpoint=row["checkpoint"],
        caught_up=row["caught_up"],
        token=row["token"],
        task=Task(row["task"]),
        worker=row["worker"],
        leased_at=row["leased_at"],
        lease_until=row["lease_until"],
        events=row["events"],
        errors=row["errors"],
        rate=row["rate"],
        updated_at=row["updated_at"],
        faulted=row["faulted"],
        restart_at=row["restart_at"],
        error=_error(row),
    )


def _error(row: Any) -> OccurredError | None:
    if row["error_at"] is None:
        return None
    error = HandlerError(row["error_position"], row["error_type"], row["error_stream"], row["error_message"], row["error_attempts"])
    return OccurredError(error, row["error_at"], row["partition"])


def _worker(row: Any) -> WorkerRow:
    return WorkerRow(
        worker=row["worker"],
        name=row["worker_name"],
        revision=row["revision"],
        max_partitions=row["max_partitions"],
        leaving=row["leaving"],
        can_clear=row["can_clear"],
        can_switch=row["can_switch"],
        connected_at=row["connected_at"],
        seen_at=row["seen_at"],
        seen_until=row["seen_until"],
    )


def _code(row: Any) -> Code:
    return Code(row["revision"], row["partitions"], filter_of(row["filter"]), RebuildMode(row["on_new_revision"]))
