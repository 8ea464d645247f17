"""What a server tells of projections: how they are, who is at them, what was set aside."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ProjectionState(StrEnum):
    """What a projection, or a partition, is doing."""

    UNKNOWN = "unknown"
    """The server said something that this client does not know."""
    STOPPED = "stopped"
    """No worker is at it."""
    RUNNING = "running"
    """It follows the log."""
    CATCHING_UP = "catching_up"
    """It handles what the log already has."""
    PAUSED = "paused"
    """An operator has paused it."""
    FAULTED = "faulted"
    """It stopped at an event that its handler could not handle."""
    REBUILDING = "rebuilding"
    """Its read model is built anew."""
    RESTARTING = "restarting"
    """Leases are given anew."""


class RebuildMode(StrEnum):
    """How a read model is built anew."""

    UNKNOWN = "unknown"
    """The server said something that this client does not know. Cannot be asked for."""
    IN_PLACE = "in_place"
    """The worker clears the read model, and it is filled again."""
    SIDE_BY_SIDE = "side_by_side"
    """A second read model is filled beside the first; when it has caught up, the worker switches to it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a build handles: those of streams that `streams`, `stream_prefixes` or `categories` choose, and of `types`.

    Attributes:
        streams: Streams, by their whole name.
        stream_prefixes: Streams, by how their name begins.
        categories: Streams, by the part of their name before the first `-`.
        types: Event types; none: all.
    """

    streams: tuple[str, ...]
    stream_prefixes: tuple[str, ...]
    categories: tuple[str, ...]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartitionError:
    """What went wrong with a handler.

    Attributes:
        position: The position of the event; 0 if it was no single event's.
        type: Its type.
        stream: Its stream.
        message: What the handler said, for a person.
        attempts: How often it was tried.
        occurred_at: When, in UTC; None if the server did not say.
        partition: The partition.
    """

    position: int
    type: str
    stream: str
    message: str
    attempts: int
    occurred_at: datetime | None
    partition: int


@dataclass(frozen=True, slots=True)
class Partition:
    """How a partition is.

    Attributes:
        partition: Its number, from 0.
        state: What it is doing.
        checkpoint: Every event of it up to this position is handled.
        lag_events: How many positions it is behind.
        events_per_second: Events handled a second, lately.
        events: Events handled in this build.
        errors: How often its handlers failed in this build.
        worker_id: The id of the worker that holds its lease; empty: none.
        worker: That worker's name.
        held_since: Since when, in UTC; None: nobody holds it.
        last_error: The last error; None if there was none since the last restart or rebuild.
        restarts_at: When a faulted partition is tried again by itself; None: when an operator restarts it.
        updated_at: When its checkpoint last moved.
    """

    partition: int
    state: ProjectionState
    checkpoint: int
    lag_events: int
    events_per_second: float
    events: int
    errors: int
    worker_id: str
    worker: str
    held_since: datetime | None
    last_error: PartitionError | None
    restarts_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """How far a rebuild is.

    Attributes:
        mode: How.
        step: What it is at. Example: `replaying`.
        from_position: Where it began.
        position: How far all partitions are.
        to_position: The head when it began: when it is reached, the rebuild is done, or the switch begins. 0: not known yet.
        started_at: When it began, in UTC.
        time_left: How long it will take at the present rate; None if that is not known.
    """

    mode: RebuildMode
    step: str
    from_position: int
    position: int
    to_position: int
    started_at: datetime | None
    time_left: timedelta | None

    @property
    def done(self) -> int:
        """How many positions are behind it: 0 to `total`."""
        return min(max(self.position - self.from_position, 0), self.total)

    @property
    def total(self) -> int:
        """How many positions there are between its beginning and its end."""
        return max(self.to_position - self.from_position, 0)


@dataclass(frozen=True, slots=True)
class Build:
    """A read model that is filled.

    Attributes:
        build: Its number: 1, 2, 3 ... in the projection.
        revision: The revision of its code.
        filter: Which events it handles; None: all.
        partitions: Its partitions, by number.
        rebuild: How far a rebuild is; None if none is under way.
    """

    build: int
    revision: int
    filter: Filter | None
    partitions: tuple[Partition, ...]
    rebuild: RebuildProgress | None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that is connected.

    Attributes:
        worker_id: Its id, given by the server.
        worker: Its name.
        revision: The revision of its code.
        connected_at: Since when it is connected, in UTC.
        seen_at: When it last gave a sign of life.
        partitions: How many partitions it holds; 0: it stands by.
    """

    worker_id: str
    worker: str
    revision: int
    connected_at: datetime | None
    seen_at: datetime | None
    partitions: int


@dataclass(frozen=True, slots=True)
class Projection:
    """How a projection is.

    Attributes:
        name: Its name.
        state: What it is doing; the partitions say more.
        checkpoint: The live build's checkpoint: every event up to it is handled. Of several partitions, the lowest.
        head: The newest position of the log.
        lag_events: How many positions it is behind.
        lag: How long ago the oldest event was recorded that is not handled; zero if there is none.
        events_per_second: Events handled a second, lately.
        last_error: The last error of a handler; None if there was none since the last restart or rebuild.
        parked_events: Parked events of the live build.
        created_at: When it was made, in UTC.
        updated_at: When its checkpoint last moved.
        live: The live build.
        next: The build beside it; None if there is none.
        workers: The workers that are connected, those that stand by included.
        waiting_for: Why it does not go on although workers are connected, for a person; empty if it does.
    """

    name: str
    state: ProjectionState
    checkpoint: int
    head: int
    lag_events: int
    lag: timedelta
    events_per_second: float
    last_error: PartitionError | None
    parked_events: int
    created_at: datetime | None
    updated_at: datetime | None
    live: Build
    next: Build | None
    workers: tuple[Worker, ...]
    waiting_for: str

    @property
    def rebuild(self) -> RebuildProgress | None:
        """How far a rebuild is, of the next build or of the live one; None if none is under way."""
        return (self.next and self.next.rebuild) or self.live.rebuild


@dataclass(frozen=True, slots=True)
class Observed:
    """How projections are at a moment.

    Attributes:
        projections: The projections, by name.
        server_time: The server's time, in UTC; None if it did not say.
    """

    projections: tuple[Projection, ...]
    server_time: datetime | None


@dataclass(frozen=True, slots=True)
class PauseResult:
    """How a pause went.

    Attributes:
        projection: How the projection is now.
        acknowledged: How many workers were at it, and have acknowledged that they handle nothing any more, or were cut off.
        not_acknowledged: The names of those that have not in time. The pause stands: they lose their leases.
    """

    projection: Projection
    acknowledged: int
    not_acknowledged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectionDeleted:
    """What was deleted.

    Attributes:
        checkpoint: The checkpoint that the projection had.
        parked_events: Parked events that were forgotten.
    """

    checkpoint: int
    parked_events: int


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that was set aside because its handler failed.

    Attributes:
        position: Its position.
        stream: Its stream.
        version: Its version in the stream.
        type: Its type.
        event_id: Its id.
        partition: The partition that it belongs to.
        message: What went wrong, the last time, for a person.
        attempts: How often it was tried.
        parked_at: When it was parked, in UTC.
        replaying: Whether it waits for being tried again.
    """

    position: int
    stream: str
    version: int
    type: str
    event_id: str
    partition: int
    message: str
    attempts: int
    parked_at: datetime | None
    replaying: bool


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of trying parked events once more.

    Attributes:
        handled: How many are handled, and no longer parked.
        failed: How many have failed again, and stay parked.
        waiting: How many were not tried in time; they will be when a worker is there.
    """

    handled: int
    failed: int
    waiting: int
