"""What the client gives back, in the words of the cases."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import mink_client
from mink_client import ExpectedState

if TYPE_CHECKING:
    from mink_client import AppendManyResult, AppendResult, RecordedEvent, Removed, Snapshot, SnapshotSaved, StreamInfo

_RECENT: Final = timedelta(minutes=10)
# The types of the table in clients/README.md that are a kind of another one of it; the client's other bases are its own affair.
_KINDS: Final = frozenset(("StreamNotFound", "Unavailable"))
_PLAIN: Final = ("stream", "actual", "event_id", "position", "head", "log_id", "size", "limit", "role", "retry_after", "argument")


def event(found: RecordedEvent) -> dict[str, Any]:
    """An event that was read."""
    return {
        "position": found.position,
        "version": found.version,
        "id": found.id,
        "stream": found.stream,
        "category": found.category,
        "type": found.type,
        "metadata": found.metadata,
        "size": len(found.data),
        "recent": _is_recent(found.recorded_at),
        **_payload(found),
    }


def snapshot(found: Snapshot | None) -> dict[str, Any] | None:
    """A snapshot; nothing, if there is none."""
    if found is None:
        return None
    return {
        "stream": found.stream,
        "version": found.version,
        "metadata": found.metadata,
        "recent": _is_recent(found.saved_at),
        **_payload(found),
    }


def stream(found: StreamInfo) -> dict[str, Any]:
    """What is known about a stream."""
    names = (
        "stream",
        "category",
        "version",
        "first_version",
        "events",
        "last_position",
        "snapshot_version",
        "deleted",
        "tombstoned",
    )
    return {name: getattr(found, name) for name in names}


def appended(found: AppendResult) -> dict[str, Any]:
    """Where the events of an append are."""
    names = ("version", "first_position", "last_position", "replayed")
    return {name: getattr(found, name) for name in names}


def appended_many(found: AppendManyResult) -> dict[str, Any]:
    """Where the events of an append to several streams are."""
    names = ("stream", "version", "first_position", "last_position")
    return {
        "streams": [{name: getattr(part, name) for name in names} for part in found.streams],
        "first_position": found.first_position,
        "last_position": found.last_position,
        "replayed": found.replayed,
    }


def removed(found: Removed) -> dict[str, Any]:
    """What was removed from a stream."""
    return {"removed": found.removed, "version": found.version}


def snapshot_saved(found: SnapshotSaved) -> dict[str, Any]:
    """What became of a snapshot."""
    return {"saved": found.saved, "version": found.version}


def error(found: Exception) -> dict[str, Any]:
    """What went wrong."""
    if not isinstance(found, mink_client.MinkError):
        # What Python itself calls a wrong argument.
        return {"type": "ArgumentError", "also": []}
    said: dict[str, Any] = {
        "type": type(found).__name__,
        "also": sorted({kind.__name__ for kind in type(found).__mro__[1:]} & _KINDS),
        "reason": found.reason,
        **{name: getattr(found, name) for name in _PLAIN if getattr(found, name, None) is not None},
    }
    if isinstance(found, mink_client.WrongExpectedVersion):
        said["expected"] = _expected(found.expected)
        said["violations"] = [
            {"stream": part.stream, "expected": _expected(part.expected), "actual": part.actual} for part in found.violations
        ]
    if isinstance(found, mink_client.InvalidRequest):
        said["fields"] = sorted(name for name, _ in found.violations)
    return said


def _payload(found: RecordedEvent | Snapshot) -> dict[str, str]:
    return {"json": found.text} if found.is_json else {"binary": base64.b64encode(found.data).decode()}


def _is_recent(moment: datetime) -> bool:
    return abs(datetime.now(UTC) - moment) < _RECENT


def _expected(expected: int | ExpectedState) -> int | str:
    return expected.name if isinstance(expected, ExpectedState) else expected
