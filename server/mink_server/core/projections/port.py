"""What the RPCs call: the projections of one log. `storage/projections/` has them in Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Mapping, Sequence

    from mink_server.core.filters import EventFilter
    from mink_server.core.projections.model import (
        HandlerError,
        Joining,
        Lease,
        Member,
        Observed,
        Orders,
        ParkedEvent,
        Progress,
        RebuildMode,
    )


class Workers(Protocol):
    """What workers do. Leases are known by their token: what comes with an old one changes nothing, and answers False."""

    async def join(self, joining: Joining, check: Callable[[EventFilter | None], None] | None = None) -> None:
        """A worker has come. Makes the projection if it is not there, and begins the build of a higher revision.

        `check` is called with the filter of each build that the projection has; with what it raises, nothing is changed.

        Raises InvalidRequestError (the same revision with another filter or number of partitions), OverloadedError (too many
        projections, or workers of this one), PositionAheadError (a start beyond the head).
        """

    async def leave(self, projection: str, worker: str) -> None:
        """A worker has gone: its leases end."""

    async def round(self, members: Sequence[Member]) -> Mapping[str, Orders]:
        """Renews the leases of workers that live, saves their progress, decides, and answers with orders by worker id.

        All of this in one transaction. Other servers are told if it matters to them.
        """

    async def save(self, progress: Sequence[Progress]) -> Sequence[Lease]:
        """Saves progress between rounds; answers with the leases that are lost."""

    async def start(self, lease: Lease, position: int) -> bool:
        """A worker handles events from after a position: that is the checkpoint, and what was parked after it is forgotten."""

    async def release(self, lease: Lease, progress: Progress | None) -> bool:
        """A worker gives a lease back, having come so far."""

    async def fault(self, lease: Lease, error: HandlerError, restart_after: float | None) -> bool:
        """A worker cannot go on, and gives the lease back. `restart_after` in seconds; None: when an operator says so."""

    async def done(self, lease: Lease) -> bool:
        """A worker has cleared or switched the read model: the build takes its next step."""

    async def park(self, lease: Lease, error: HandlerError) -> bool:
        """Sets an event aside."""

    async def replayed(self, lease: Lease, position: int, error: HandlerError | None) -> bool:
        """A parked event was tried again; without an error it is parked no longer."""


class Control(Protocol):
    """What operators do. Each raises ProjectionNotFoundError if there is none of that name."""

    async def list(self) -> builtins.list[Observed]:
        """All, by name."""

    async def get(self, projection: str) -> Observed:
        """One."""

    async def pause(self, projection: str) -> Observed:
        """Lets no lease be given any more; answers with how it was just before."""

    async def resume(self, projection: str) -> Observed:
        """Ends a pause."""

    async def rebuild(self, projection: str, mode: RebuildMode, revision: int) -> Observed:
        """Begins a rebuild; revision 0: the highest that is connected. Raises ProjectionInUseError."""

    async def restart(self, projection: str) -> Observed:
        """Forgets faults, and lets all leases be given anew."""

    async def delete(self, projection: str) -> tuple[int, int]:
        """Forgets it; answers with its checkpoint, and how many events were parked. Raises ProjectionInUseError."""

    async def parked(self, projection: str, after: int, limit: int) -> builtins.list[ParkedEvent]:
        """Parked events of the live build after a position."""

    async def replay(self, projection: str, positions: Sequence[int]) -> builtins.list[int]:
        """Marks parked events (all, if no position is given) to be tried again; answers with their positions, at most 10,000."""

    async def replaying(self, projection: str, positions: Sequence[int]) -> Mapping[int, bool]:
        """Of parked events, those that are still parked, and whether they still wait for being tried again."""

    async def handled(self, projection: str, positions: Sequence[int]) -> int:
        """Of events that `replay` has marked lately, and that are parked no longer, how many were handled. Others were dropped."""

    async def drop(self, projection: str, positions: Sequence[int]) -> int:
        """Forgets parked events (all, if no position is given); answers with how many."""


class Projections(Protocol):
    """The projections of one log."""

    @property
    def workers(self) -> Workers:
        """What workers do."""

    @property
    def control(self) -> Control:
        """What operators do."""
