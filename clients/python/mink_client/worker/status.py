"""How a projection is in this process: what its runner writes, and what health, metrics and callers read."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Place: TypeAlias = tuple[int, int]
"""A build and a partition."""

TRANSIENT: Final = "transient"
POISON: Final = "poison"
SKIPPED: Final = "skipped"
PARKED: Final = "parked"
LOST: Final = "lost"
KINDS: Final = (TRANSIENT, POISON, SKIPPED, PARKED, LOST)
"""Kinds of errors: a try that was repeated, an event that stopped its partition, one that was skipped, one that was parked, and a
lease that was lost while it was used."""


class Spread:
    """How values are spread: a histogram.

    Attributes:
        bounds: The upper bounds of the buckets, growing; the last is infinite.
        counts: How many values each bucket has.
        total: The sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = (*bounds, math.inf)
        self.counts = [0] * len(self.bounds)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class FaultedPartition:
    """A partition that this worker held, and whose handler failed for good.

    Attributes:
        build: The build.
        partition: The partition.
        position: The position of the event; 0 if it was no single event's.
        type: Its type.
        restart_after: Seconds after which it is handled again by itself; None: when an operator restarts it.
        since: When that was, by the event loop's clock.
    """

    build: int
    partition: int
    position: int
    type: str
    restart_after: float | None
    since: float


@dataclass(slots=True)
class RunnerStatus:
    """How one projection is in this worker.

    Attributes:
        projection: The projection's name.
        connected: Whether the server has welcomed the worker, and the call goes on.
        worker_id: The id that the server gave; empty before it did.
        held: The partitions whose leases are held: the position up to which each is handled.
        faulted: The partitions that were held, and whose handler failed for good, until they are handled again.
        head: The newest position that the server has told of.
        events: Events handled.
        errors: Errors, by kind.
        durations: Seconds that each apply took.
    """

    projection: str
    connected: bool = False
    worker_id: str = ""
    held: dict[Place, int] = field(default_factory=dict)
    faulted: dict[Place, FaultedPartition] = field(default_factory=dict)
    head: int = 0
    events: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    durations: Spread = field(default_factory=lambda: Spread(_SECONDS))

    @property
    def position(self) -> int | None:
        """The lowest position of its partitions; None if it holds none."""
        return min(self.held.values(), default=None)

    @property
    def lag(self) -> int | None:
        """How many positions it is behind; None if it holds no partition."""
        position = self.position
        return None if position is None else max(0, self.head - position)

    def see(self, position: int) -> None:
        """The log is at least so long."""
        self.head = max(self.head, position)
