"""What is known of streams, and removing their events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog

from mink_server.core.errors import (
    ExpectationViolation,
    FieldViolation,
    InvalidRequestError,
    MinkError,
    RetryableError,
    StreamDeletedError,
    StreamNotFoundError,
    WrongExpectedVersionError,
)
from mink_server.core.expectations import ANY
from mink_server.core.reading import Removal, StreamInfo
from mink_server.storage.statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_server.storage.database import Database

log = structlog.get_logger(__name__)

_STEP: Final = 2_000
_NOT_AS_EXPECTED, _TOMBSTONED, _NOT_THERE, _DELETED, _BEYOND = 2, 4, 5, 6, 7


class Streams:
    """The streams of one log.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        removed: Told when events were removed.
    """

    def __init__(self, database: Database, schema: str, removed: Callable[[], None]) -> None:
        self._database = database
        self._removed = removed
        self._removals: set[asyncio.Task[Removal]] = set()
        self._info = statement("stream_info", schema)
        self._remove = statement("remove", schema)
        self._remove_events = statement("remove_events", schema)
        self._unfinished = statement("unfinished_removals", schema)

    async def get(self, stream: str) -> StreamInfo:
        """What is known of a stream.

        Raises:
            StreamNotFoundError: Nothing was ever appended to it.
            StreamDeletedError: It was deleted.
        """
        row = await self._database.fetchrow(self._info, stream, "", "", 1, True)
        if row is None:
            raise StreamNotFoundError(stream)
        if row["deleted"] or row["tombstoned"]:
            raise StreamDeletedError(stream, tombstoned=row["tombstoned"])
        return StreamInfo(**row)

    async def list(self, *, prefix: str, after: str, limit: int, include_deleted: bool) -> list[StreamInfo]:
        """Streams whose name begins so, by name, after a name."""
        rows = await self._database.fetch(self._info, None, prefix, after, limit, include_deleted)
        return [StreamInfo(**row) for row in rows]

    async def truncate(self, stream: str, before: int) -> Removal:
        """Removes a stream's events before a version, for good.

        Raises:
            StreamNotFoundError: Nothing was ever appended to it.
            StreamDeletedError: It was deleted.
            InvalidRequestError: The stream has not come that far.
        """
        return await self._remove_whole(stream, ANY, before, tombstone=False)

    async def delete(self, stream: str, expected: int, *, tombstone: bool) -> Removal:
        """Removes all events of a stream and its snapshot, for good.

        Raises:
            StreamNotFoundError: Nothing was ever appended to it.
            StreamDeletedError: It was deleted already (a tombstone may be added).
            WrongExpectedVersionError: It is not as expected.
        """
        return await self._remove_whole(stream, expected, None, tombstone=tombstone)

    async def _remove_whole(self, stream: str, expected: int, before: int | None, *, tombstone: bool) -> Removal:
        """Removes to the end, whether the caller waits for it or not: what is marked must go."""
        removal = asyncio.create_task(self._remove_marked(stream, expected, before, tombstone=tombstone))
        self._removals.add(removal)
        removal.add_done_callback(self._ended)
        return await asyncio.shield(removal)

    def _ended(self, removal: asyncio.Task[Removal]) -> None:
        self._removals.discard(removal)
        if not removal.cancelled() and isinstance(error := removal.exception(), RetryableError):
            log.warning("a removal was not made, or not to its end", why=str(error))

    async def _remove_marked(self, stream: str, expected: int, before: int | None, *, tombstone: bool) -> Removal:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._remove, stream, expected, before, tombstone)
        assert row is not None
        outcome, version = row["outcome"], row["version"]
        if outcome == _NOT_THERE:
            raise StreamNotFoundError(stream)
        if outcome in (_TOMBSTONED, _DELETED):
            raise StreamDeletedError(stream, tombstoned=outcome == _TOMBSTONED)
        if outcome == _NOT_AS_EXPECTED:
            raise WrongExpectedVersionError([ExpectationViolation(stream, expected, version)])
        if outcome == _BEYOND:
            raise InvalidRequestError([FieldViolation("before_version", f"the stream is at version {version}")])
        self._removed()
        return Removal(await self._sweep(row["stream_id"], row["floor"]), version)

    async def close(self) -> None:
        """Gives up removals that are under way; the next start finishes them."""
        for removal in self._removals:
            removal.cancel()
        await asyncio.gather(*self._removals, return_exceptions=True)

    async def _sweep(self, stream_id: int, floor: int) -> int:
        total = 0
        while True:
            async with self._database.connection() as connection:
                removed: int = await connection.fetchval(self._remove_events, stream_id, floor, _STEP)
            total += removed
            if removed < _STEP:
                return total
            await asyncio.sleep(0)

    async def finish_removals(self) -> None:
        """Removes what a server that stopped in the middle of a removal has left; if that fails, the next start tries again."""
        try:
            rows: list[Any] = await self._database.fetch(self._unfinished)
            for row in rows:
                removed = await self._sweep(row["stream_id"], row["floor"])
                log.info("finished a removal that was interrupted", stream_id=row["stream_id"], events=removed)
        except MinkError as error:
            log.warning("interrupted removals could not be finished", why=str(error))
