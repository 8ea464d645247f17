"""What is known about a stream, and what was removed from one."""

from dataclasses import dataclass
from datetime import UTC, datetime

from mink.v1 import event_store_pb2


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream.

    Attributes:
        stream: Its name.
        category: The part of the name before the first `-`, or the whole name.
        version: The version of the newest event.
        first_version: The version of the oldest event that is still there; 0 if all were removed.
        events: How many events are there.
        last_position: The position of the newest event; 0 if all were removed.
        first_recorded_at: When the oldest event that is still there was recorded, in UTC; None if all were removed.
        last_recorded_at: When the newest event was recorded; None if all were removed.
        snapshot_version: The version of the snapshot; 0 if there is none.
        deleted: Whether the stream was deleted.
        tombstoned: Whether the name is gone for good.
    """

    stream: str
    category: str
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
class Removed:
    """What was removed from a stream.

    Attributes:
        removed: How many events.
        version: The version that the stream has, or had: versions are never used again.
    """

    removed: int
    version: int


def stream_info(message: event_store_pb2.StreamInfo) -> StreamInfo:
    """A stream as the server tells it."""
    return StreamInfo(
        stream=message.stream,
        category=message.category,
        version=message.version,
        first_version=message.first_version,
        events=message.events,
        last_position=message.last_position,
        first_recorded_at=message.first_recorded_at.ToDatetime(UTC) if message.HasField("first_recorded_at") else None,
        last_recorded_at=message.last_recorded_at.ToDatetime(UTC) if message.HasField("last_recorded_at") else None,
        snapshot_version=message.snapshot_version,
        deleted=message.deleted,
        tombstoned=message.tombstoned,
    )
