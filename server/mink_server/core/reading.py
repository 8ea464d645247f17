"""What readers get: pages of finished bytes, and what is known of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The newest position of a log, and the log's id."""

    position: int
    log_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Events of the log, as joined frames.

    Attributes:
        frames: The events' bytes, in the order of reading; empty if none passed the filter.
        events: How many they are.
        position: Every event that passes the filter up to here (backwards: down to here) is in this page or an earlier one.
    """

    frames: bytes
    events: int
    position: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state saved for a stream at a version."""

    stream: str
    version: int
    state: bytes
    is_json: bool
    metadata: dict[str, str]
    saved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Events of a stream, as joined frames; `version` is the stream's, `snapshot` the newest if it was asked for."""

    frames: bytes
    events: int
    version: int
    snapshot: Snapshot | None


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream; numbers are 0 and times None where there is nothing."""

    stream: str
    version: int
    first_version: int
    events: int
    last_position: int
    first_recorded_at: datetime | None
    last_recorded_at: datetime | None
    snapshot_version: int
    deleted: bool
    tombstoned: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """What a truncation or deletion removed, and the version that the stream has or had."""

    removed: int
    version: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The log's size and what is in it; `top_types` pairs a type with its number of events."""

    log_id: str
    head: int
    events: int
    streams: int
    types: int
    top_types: list[tuple[str, int]]
    size_bytes: int
