"""Checks streams and snapshots, each by itself."""

from __future__ import annotations

from typing import Any

from mink_server.core.json_text import is_json
from mink_server.core.verification import FaultFound, FaultKind


def check_stream(row: Any, head: int, removed: int) -> None:
    """A stream as `verify_streams.sql` gives it.

    Args:
        row: The stream.
        head: The newest position at the same moment.
        removed: The newest position that removals know of.

    Raises:
        FaultFound: It is not as it should be.
    """
    stream_id, floor, deleted, tombstoned, name, category, newest = row

    def wrong(message: str) -> FaultFound:
        return FaultFound(FaultKind.WRONG_STREAM, f"the stream {name!r} {message}", 0, name)

    if not 1 <= stream_id <= head:
        raise wrong(f"begins at position {stream_id}, and the log ends at {head}")
    if not name or category != name.partition("-")[0]:
        raise wrong(f"has the category {category!r}")
    if floor < 0:
        raise wrong(f"has removed versions up to {floor}")
    if floor > 0 and stream_id + floor - 1 > removed:
        raise wrong(f"has removed versions up to {floor}, and removals have come to position {removed} only")
    if (deleted and floor == 0) or (tombstoned and not deleted):
        raise wrong("is marked as deleted, and nothing was removed from it")
    if tombstoned and newest > floor:
        raise wrong(f"has a tombstone, and version {newest}")
    if newest == 0 and floor == 0:
        message = f"the stream {name!r} has no event, and none was removed"
        raise FaultFound(FaultKind.MISSING_EVENT, message, stream_id, name, 1)


def check_snapshot(row: Any) -> None:
    """A snapshot as `verify_snapshots.sql` gives it.

    Raises:
        FaultFound: It is not as it should be.
    """

    def wrong(message: str) -> FaultFound:
        whose = (
            f"the snapshot of the stream {row['stream']!r}" if row["stream"] else f"a snapshot, of stream id {row['stream_id']},"
        )
        return FaultFound(FaultKind.WRONG_SNAPSHOT, f"{whose} {message}", 0, row["stream"] or "", row["version"])

    if row["stream"] is None:
        raise wrong("belongs to no stream")
    if row["tombstoned"] or (row["deleted"] and not row["has_events"]):
        raise wrong("belongs to a stream that was deleted")
    if not 1 <= row["version"] <= row["newest"]:
        raise wrong(f"is at version {row['version']}, and the stream at {row['newest']}")
    if not row["metadata_is_text"]:
        raise wrong("has metadata that is not text by name")
    if row["is_json"] and not is_json(row["state"]):
        raise wrong("has a state that is no JSON")
