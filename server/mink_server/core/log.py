"""What the RPCs call: one tenant's log. `storage/` has it in Postgres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterator, Callable, Sequence

    from mink_server.core.events import Append
    from mink_server.core.filters import EventFilter
    from mink_server.core.projections.port import Projections
    from mink_server.core.reading import Head, Page, Removal, Snapshot, Statistics, StreamInfo, StreamPage
    from mink_server.core.verification import Progress, Verdict


class Writes(Protocol):
    """Takes appends."""

    def submit(self, append: Append) -> None:
        """Queues an append. Raises OverloadedError, ShuttingDownError."""


class Reads(Protocol):
    """Reads the log and its streams, in pages."""

    async def head(self) -> Head:
        """The newest position now."""

    def read_all(self, *, after: int, upto: int, limit: int = 0, where: EventFilter | None = None) -> AsyncIterator[Page]:
        """The log's events after a position up to another, oldest first; at most `limit`, if it is not 0."""

    def read_all_backwards(self, *, before: int, limit: int = 0, where: EventFilter | None = None) -> AsyncIterator[Page]:
        """The log's events before a position, newest first; at most `limit`, if it is not 0."""

    def read_stream(
        self, stream: str, *, from_version: int = 0, limit: int = 0, backwards: bool = False, since_snapshot: bool = False
    ) -> AsyncIterator[StreamPage]:
        """A stream's events. Raises StreamNotFoundError, StreamDeletedError."""


class Events(Protocol):
    """Events that follow each other from position `first` on, as finished bytes; `keys` are stream and type of each."""

    first: int
    frames: list[bytes]
    keys: list[tuple[str, str]]

    @property
    def last(self) -> int:
        """Position of the last event."""


class Tail(Protocol):
    """The newest events, in memory.

    `epoch` counts how often the log turned out to be another one, or to have lost its end after `kept`.
    """

    head: int
    log_id: str
    epoch: int
    kept: int

    def compare(self, head: Head, before: int) -> None:
        """Takes a head that was read from the database; `before` was this tail's head before it was read."""

    def wake(self) -> None:
        """Wakes all that wait."""

    def since(self, position: int, max_bytes: int) -> Sequence[Events] | None:
        """The events after a position; none if there is nothing new; None if they are not in memory any more."""

    async def wait(self, seconds: float) -> None:
        """Waits until there may be something new, or `seconds` have passed."""

    async def reach(self, position: int) -> None:
        """Waits until the tail has come to a position that the log has. Raises DatabaseUnavailableError."""


class Streams(Protocol):
    """What is known of streams, and removing their events."""

    async def get(self, stream: str) -> StreamInfo:
        """One stream. Raises StreamNotFoundError, StreamDeletedError."""

    async def list(self, *, prefix: str, after: str, limit: int, include_deleted: bool) -> builtins.list[StreamInfo]:
        """Streams by name, after a name."""

    async def truncate(self, stream: str, before: int) -> Removal:
        """Removes the events before a version."""

    async def delete(self, stream: str, expected: int, *, tombstone: bool) -> Removal:
        """Removes all events and the snapshot."""


class Snapshots(Protocol):
    """Snapshots of streams."""

    async def save(self, snapshot: Snapshot) -> tuple[bool, int]:
        """Saves one; answers with whether it was saved, and the version now there."""

    async def load(self, stream: str) -> Snapshot:
        """The newest of a stream. Raises SnapshotNotFoundError."""

    async def delete(self, stream: str) -> int:
        """Deletes it; answers with its version."""


class Health(Protocol):
    """What operators ask."""

    async def statistics(self, top_types: int) -> Statistics:
        """The log's size and what is in it."""

    async def diagnose(self) -> Sequence[Check]:
        """Checks what the log depends on."""

    async def verify(self, report: Callable[[Progress], None]) -> Verdict:
        """Reads the whole log and proves that nothing is missing or bent; tells on the way how far it is.

        Raises OverloadedError if that is being done already.
        """


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. `outcome` is ok, warning or failed; `took` in seconds."""

    component: str
    outcome: str
    message: str
    recommendation: str
    took: float


@dataclass(frozen=True, slots=True)
class Log:
    """One tenant's log."""

    writes: Writes
    reads: Reads
    tail: Tail
    streams: Streams
    snapshots: Snapshots
    health: Health
    projections: Projections
