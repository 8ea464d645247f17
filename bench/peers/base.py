"""What the harness asks of every system."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from bench.cpu import Meter
    from bench.postgres import Postgres


@dataclass(frozen=True)
class Host:
    """What servers share: a folder on the disk that is measured, and one Postgres."""

    folder: Path
    postgres: Postgres
    log: Any


@dataclass(frozen=True)
class Place:
    """A running server: where its client connects, and the processes whose time is counted, by part."""

    address: Any
    processes: dict[str, int] = field(default_factory=dict)


class Client(Protocol):
    """One system's client, seen from the client process. Every method blocks, and gives numbers that JSON can carry."""

    def fill(self, events: int, batch: int) -> int:
        """Write the log that the reads read; gives the number of events in it."""

    def appends(self, callers: int, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        """`callers` at once, each appending one event to a new stream, again and again."""

    def reads(self, kind: str, total: int, seconds: float, meter: Meter) -> dict[str, Any]:
        """The whole log, again and again. `kind`: batches, events (fields looked at) or subscription (from 0)."""

    def loads(self, stream: str, events: int, seconds: float, meter: Meter) -> dict[str, Any]:
        """One stream of `events` events, again and again, by one caller."""

    def live(self, subscribers: int, rate: float, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        """Appends at a steady rate; the time from just before each call to its receipt by each subscriber."""

    def close(self) -> None:
        """Let go of connections and threads."""
