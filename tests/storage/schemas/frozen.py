"""Logs that older releases made, and what they read from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from mink_server.core.errors import SnapshotNotFoundError, StreamDeletedError

if TYPE_CHECKING:
    from tests.storage.conftest import StoredLog

FOLDER = Path(__file__).parent
# The name that the schema has in the files.
NAME = "mink_frozen"
RELEASES = sorted(file.stem for file in FOLDER.glob("*.sql"))


def content(release: str) -> dict[str, Any]:
    """What the release read from its log."""
    return json.loads((FOLDER / f"{release}.json").read_text())


async def load(dsn: str, schema: str, release: str) -> None:
    """Puts the log that a release made into a schema that is not there yet."""
    sql = (FOLDER / f"{release}.sql").read_text().replace(NAME, schema)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def empty(dsn: str, schema: str) -> None:
    """Leaves of a log what its migrations made, as if nothing had ever been appended."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            f"truncate {schema}.events, {schema}.streams, {schema}.snapshots;"
            f"update {schema}.removed set position = 0; update {schema}.log set id = gen_random_uuid()"
        )
    finally:
        await connection.close()


async def what_is_there(log: StoredLog) -> dict[str, Any]:
    """All that readers can get of a log."""
    head = await log.reader.head()
    streams = await log.streams.list(prefix="", after="", limit=1000, include_deleted=True)
    snapshots = []
    for stream in streams:
        try:
            found = await log.snapshots.load(stream.stream)
        except (SnapshotNotFoundError, StreamDeletedError):
            continue
        assert found.saved_at is not None
        snapshots.append(
            {
                "stream": found.stream,
                "version": found.version,
                "state": found.state.hex(),
                "is_json": found.is_json,
                "metadata": found.metadata,
                "saved_at": found.saved_at.isoformat(),
            }
        )
    return {
        "log_id": head.log_id,
        "head": head.position,
        "frames": b"".join([page.frames async for page in log.reader.read_all(after=0, upto=head.position)]).hex(),
        "streams": [
            {
                "stream": one.stream,
                "version": one.version,
                "first_version": one.first_version,
                "events": one.events,
                "last_position": one.last_position,
                "first_recorded_at": one.first_recorded_at.isoformat() if one.first_recorded_at else None,
                "last_recorded_at": one.last_recorded_at.isoformat() if one.last_recorded_at else None,
                "snapshot_version": one.snapshot_version,
                "deleted": one.deleted,
                "tombstoned": one.tombstoned,
            }
            for one in streams
        ],
        "snapshots": snapshots,
    }
