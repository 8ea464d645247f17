"""The words of projections: leases, builds, partitions, workers. `protos/mink/v1/projections.proto` says more."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from mink_server.core.filters import EventFilter


class Task(StrEnum):
    """What a lease is for."""

    HANDLE = "handle"
    CLEAR = "clear"
    SWITCH = "switch"


class Phase(StrEnum):
    """How far a build is.

    `clearing`: its read model is to be cleared. `following`: it handles events. `overtaking` (only the next build): the live one
    has stopped, and it goes on until it is as far. `switching` (only the next build): its read model is to become the visible one.
    """

    CLEARING = "clearing"
    FOLLOWING = "following"
    OVERTAKING = "overtaking"
    SWITCHING = "switching"


class RebuildMode(StrEnum):
    """How a read model is built anew."""

    IN_PLACE = "in_place"
    SIDE_BY_SIDE = "side_by_side"


class State(StrEnum):
    """What a projection, or a partition, is doing."""

    STOPPED = "stopped"
    RUNNING = "running"
    CATCHING_UP = "catching_up"
    PAUSED = "paused"
    FAULTED = "faulted"
    REBUILDING = "rebuilding"
    RESTARTING = "restarting"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to handle one partition; `token` is greater than that of every lease of the projection before."""

    projection: str
    build: int
    partition: int
    token: int


@dataclass(frozen=True, slots=True)
class HandlerError:
    """What a handler said about an event; `position` is 0 if it was no single event's."""

    position: int
    type: str
    stream: str
    message: str
    attempts: int


@dataclass(frozen=True, slots=True)
class OccurredError:
    """An error, when it was told, and the partition."""

    error: HandlerError
    occurred_at: datetime
    partition: int


@dataclass(frozen=True, slots=True)
class Joining:
    """What a worker says of itself when it comes.

    Attributes:
        projection: The projection's name.
        worker: The worker's id, given by this server.
        name: Its name, for people.
        revision: Of its code.
        partitions: How many the projection has.
        max_partitions: How many of a build it takes at most; 0: all.
        where: Which events the projection handles; None: all.
        start_after: Where a projection begins that was not there before.
        on_new_revision: How a build of this revision is made if the live one's is lower.
        can_clear: Whether it can clear its read model.
        can_switch: Whether it can keep two builds side by side.
    """

    projection: str
    worker: str
    name: str
    revision: int
    partitions: int
    max_partitions: int
    where: EventFilter | None
    start_after: int
    on_new_revision: RebuildMode
    can_clear: bool
    can_switch: bool


@dataclass(slots=True)
class Progress:
    """How far a lease is.

    Attributes:
        lease: The lease.
        checkpoint: Every event of the partition up to it is handled.
        events: Events handled since the last save.
        errors: Times that handlers failed since the last save.
        rate: Events handled a second, lately.
        caught_up: Whether everything that the log had was sent and handled.
    """

    lease: Lease
    checkpoint: int
    events: int = 0
    errors: int = 0
    rate: float = 0.0
    caught_up: bool = False


@dataclass(slots=True)
class Member:
    """A worker that is connected to this server, as a round needs it.

    Attributes:
        projection: The projection's name.
        worker: Its id.
        leaving: It takes no more leases, and gives back those that it has.
        leases: The leases that it holds, with their progress where it has moved (None: renewed, and nothing else).
    """

    projection: str
    worker: str
    leaving: bool = False
    leases: dict[Lease, Progress | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """A lease that a worker was given in a round.

    Attributes:
        lease: The lease.
        task: What for.
        checkpoint: Mink's checkpoint of the partition.
        partitions: How many partitions the build has.
        where: Which events the build handles; None: all.
        live: Whether the build is live.
        live_build: The build that is live.
    """

    lease: Lease
    task: Task
    checkpoint: int
    partitions: int
    where: EventFilter | None
    live: bool
    live_build: int


@dataclass(slots=True)
class Orders:
    """What a round means for one worker.

    Attributes:
        known: Whether the database knows the worker; if not, its call ends, and it comes again.
        grants: New leases.
        revokes: Leases that it is to give back.
        lost: Leases that it no longer holds.
        replays: Positions of parked events that are to be tried again, by lease.
    """

    known: bool = True
    grants: list[Grant] = field(default_factory=list)
    revokes: list[Lease] = field(default_factory=list)
    lost: list[Lease] = field(default_factory=list)
    replays: dict[Lease, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class PartitionRow:
    """A partition as the database has it; times are its own.

    `worker` is empty and `lease_until` None if nobody has had a lease. `task` is that of the newest lease.
    """

    partition: int
    checkpoint: int
    caught_up: bool
    token: int
    task: Task
    worker: str
    leased_at: datetime | None
    lease_until: datetime | None
    events: int
    errors: int
    rate: float
    updated_at: datetime
    faulted: bool
    restart_at: datetime | None
    error: OccurredError | None

    def held(self, now: datetime) -> bool:
        """Whether somebody holds its lease."""
        return bool(self.worker) and self.lease_until is not None and self.lease_until > now

    def grantable(self, now: datetime) -> bool:
        """Whether its lease may be given to somebody."""
        return not self.held(now) and (not self.faulted or (self.restart_at is not None and self.restart_at <= now))


@dataclass(slots=True)
class BuildRow:
    """A build as the database has it.

    Attributes:
        build: Its number.
        revision: Of its code.
        where: Which events; None: all.
        start_after: Where it began.
        phase: How far it is.
        target: The position at which a rebuild is done; None: none is under way.
        rebuild_began_at: When it began; None: none is under way.
        partitions: By number.
    """

    build: int
    revision: int
    where: EventFilter | None
    start_after: int
    phase: Phase
    target: int | None
    rebuild_began_at: datetime | None
    partitions: list[PartitionRow]


@dataclass(slots=True)
class WorkerRow:
    """A worker as the database has it. It is there until `seen_until`, unless it gives another sign of life."""

    worker: str
    name: str
    revision: int
    max_partitions: int
    leaving: bool
    can_clear: bool
    can_switch: bool
    connected_at: datetime
    seen_at: datetime
    seen_until: datetime


@dataclass(slots=True)
class ProjectionRow:
    """A projection as the database has it.

    Attributes:
        name: Its name.
        paused: Whether it is paused.
        created_at: When it was made.
        last_token: The token of its newest lease.
        restart_token: Leases up to this token are to be given back.
        live: The live build.
        next: The build beside it.
        workers: Those that are connected, and those that were lately.
        parked: Parked events of the live build.
    """

    name: str
    paused: bool
    created_at: datetime
    last_token: int
    restart_token: int
    live: BuildRow
    next: BuildRow | None
    workers: list[WorkerRow]
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """A projection as it was at a moment.

    Attributes:
        row: The projection.
        now: The database's time.
        head: The newest position.
        oldest_unhandled_at: When the first event after the live build's checkpoint was recorded; None: there is none.
    """

    row: ProjectionRow
    now: datetime
    head: int
    oldest_unhandled_at: datetime | None


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that was set aside."""

    position: int
    stream: str
    version: int
    type: str
    event_id: str
    partition: int
    message: str
    attempts: int
    parked_at: datetime
    replaying: bool
