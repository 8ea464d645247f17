"""Snapshots of streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mink_server.core.errors import (
    FieldViolation,
    InvalidRequestError,
    SnapshotNotFoundError,
    StreamDeletedError,
    StreamNotFoundError,
)
from mink_server.storage.reader import snapshot_of
from mink_server.storage.statements import statement

if TYPE_CHECKING:
    from mink_server.core.reading import Snapshot
    from mink_server.storage.database import Database


class Snapshots:
    """The snapshots of one log's streams: at most one a stream, the newest.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
    """

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._lock = statement("lock_stream", schema)
        self._save = statement("save_snapshot", schema)
        self._load = statement("load_snapshot", schema)
        self._delete = statement("delete_snapshot", schema)

    async def save(self, snapshot: Snapshot) -> tuple[bool, int]:
        """Saves a snapshot. Answers with whether it was saved, and the version of the one that is now there.

        Raises:
            StreamNotFoundError: Nothing was ever appended to the stream.
            StreamDeletedError: It was deleted.
            InvalidRequestError: The snapshot is ahead of its stream.
        """
        async with self._database.connection() as connection, connection.transaction():
            # A deletion of the stream at this moment either sees the snapshot, and removes it, or is seen.
            await connection.execute(self._lock, snapshot.stream)
            row = await connection.fetchrow(
                self._save,
                snapshot.stream,
                snapshot.version,
                snapshot.is_json,
                json.dumps(snapshot.metadata),
                snapshot.state,
            )
        if row is None:
            raise StreamNotFoundError(snapshot.stream)
        if row["deleted"] or row["tombstoned"]:
            raise StreamDeletedError(snapshot.stream, tombstoned=row["tombstoned"])
        if row["saved_version"] is not None:
            return True, row["saved_version"]
        if snapshot.version > row["stream_version"]:
            raise InvalidRequestError([FieldViolation("version", f"is ahead of the stream, which is at {row['stream_version']}")])
        return False, (await self.load(snapshot.stream)).version

    async def load(self, stream: str) -> Snapshot:
        """The newest snapshot of a stream.

        Raises:
            StreamNotFoundError: Nothing was ever appended to the stream.
            StreamDeletedError: It was deleted.
            SnapshotNotFoundError: It has none.
        """
        row = await self._database.fetchrow(self._load, stream)
        if row is None:
            raise StreamNotFoundError(stream)
        if row["deleted"] or row["tombstoned"]:
            raise StreamDeletedError(stream, tombstoned=row["tombstoned"])
        snapshot = snapshot_of(stream, row)
        if snapshot is None:
            raise SnapshotNotFoundError(stream)
        return snapshot

    async def delete(self, stream: str) -> int:
        """Deletes the snapshot of a stream; answers with its version. Raises as `load`."""
        async with self._database.connection() as connection:
            version: int | None = await connection.fetchval(self._delete, stream)
        if version is None:
            version = (await self.load(stream)).version  # says what is not there
        return version
