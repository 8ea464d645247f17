"""Reading the log and its streams, in pages bounded by count and bytes. The next page is fetched while the last one is sent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from mink_server.core.errors import (
    DatabaseUnavailableError,
    StreamDeletedError,
    StreamNotFoundError,
)
from mink_server.core.reading import Head, Page, Snapshot, StreamPage
from mink_server.storage.statements import statement
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from mink_server.core.filters import EventFilter
    from mink_server.storage.database import Database

PAGE_EVENTS: Final = 500
PAGE_BYTES: Final = 256 * 1024
# Positions that a filtered page looks through at most: it starts small, for a quick first answer, and grows while little passes.
_FIRST_SCAN: Final = 4_000
_LONGEST_SCAN: Final = 128_000
# Of a partition all that is looked through is hashed: as much as will nearly fill a page.
_SCAN_PER_PARTITION: Final = 400
_MAX_POSITION: Final = 2**63 - 1

T = TypeVar("T")


class Reader:
    """Reads one log.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
    """

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._head = statement("read_head", schema)
        self._log = {
            (kind, backwards): statement(f"read_log{kind}_{'backwards' if backwards else 'forwards'}", schema)
            for kind in ("", "_by_type", "_by_stream")
            for backwards in (False, True)
        }
        self._log["_by_partition", False] = statement("read_log_by_partition_forwards", schema)  # only followers have partitions
        self._stream = {
            backwards: statement(f"read_stream_{'backwards' if backwards else 'forwards'}", schema) for backwards in (False, True)
        }

    async def head(self) -> Head:
        """The newest position now."""
        row = await self._database.fetchrow(self._head)
        if row is None:
            raise DatabaseUnavailableError("the log's schema is empty")
        return Head(row["head"], row["log_id"])

    async def read_all(self, *, after: int, upto: int, limit: int = 0, where: EventFilter | None = None) -> AsyncIterator[Page]:
        """The log's events after a position up to another, oldest first; at most `limit` of them, if it is not 0."""
        async for page in self._log_pages(after, upto, limit, where, backwards=False):
            yield page

    async def read_all_backwards(self, *, before: int, limit: int = 0, where: EventFilter | None = None) -> AsyncIterator[Page]:
        """The log's events before a position, newest first; at most `limit` of them, if it is not 0."""
        async for page in self._log_pages(before, 0, limit, where, backwards=True):
            yield page

    async def _log_pages(
        self, start: int, end: int, limit: int, where: EventFilter | None, *, backwards: bool
    ) -> AsyncIterator[Page]:
        at = start
        scan = first_scan = _first_scan(where)
        left = limit or _MAX_POSITION
        last = end + 1 if backwards else end

        def more() -> bool:
            return left > 0 and (at > last if backwards else at < last)

        def fetch() -> Coroutine[Any, Any, Page]:
            return self._log_page(at, end, scan, min(left, PAGE_EVENTS), where, backwards=backwards)

        ahead = _Ahead[Page]()
        try:
            page = await fetch() if more() else None
            while page is not None:
                at = page.position
                left -= page.events
                if page.events >= PAGE_EVENTS or not _fits_more(page.frames):
                    scan = first_scan
                elif page.events < PAGE_EVENTS // 4:
                    scan = min(scan * 2, _LONGEST_SCAN)
                if more():
                    ahead.start(fetch())
                metrics.EVENTS_READ.add(page.events)
                yield page
                page = await ahead.take()
        finally:
            await ahead.cancel()

    async def _log_page(self, at: int, end: int, scan: int, limit: int, where: EventFilter | None, *, backwards: bool) -> Page:
        args: list[Any] = [limit, PAGE_BYTES]
        if where is None:
            kind = ""
        else:
            end = max(at - scan - 1, end) if backwards else min(at + scan, end)
            types = list(where.types) or None
            streams = [list(where.streams), list(where.categories), list(where.stream_prefixes)]
            if where.partition is not None:
                kind = "_by_partition"
                args += [types, *(streams if where.chooses_streams else [None] * 3), where.partition.number, where.partition.of]
            elif where.chooses_streams:
                kind = "_by_stream"
                args += [types, *streams]
            else:
                kind = "_by_type" if types else ""
                args += [types] if types else []
        row = await self._database.fetchrow(self._log[kind, backwards], at, end, *args)
        if not row["events"]:
            return Page(b"", 0, end + 1 if backwards else end)
        if row["events"] < limit and _fits_more(row["frames"]):
            position = end + 1 if backwards else end
        else:
            position = row["lowest"] if backwards else row["highest"]
        return Page(row["frames"], row["events"], position)

    async def read_stream(
        self, stream: str, *, from_version: int = 0, limit: int = 0, backwards: bool = False, since_snapshot: bool = False
    ) -> AsyncIterator[StreamPage]:
        """A stream's events; the first page comes also if it is empty. Versions beyond those at the first page are left out.

        Raises:
            StreamNotFoundError: Nothing was ever appended to it.
            StreamDeletedError: It was deleted, before or while it was read.
        """
        left = limit or _MAX_POSITION

        async def fetch(at: int, left: int, upto: int, *, snapshot: bool) -> Any:
            row = await self._database.fetchrow(
                self._stream[backwards], stream, at, min(left, PAGE_EVENTS), PAGE_BYTES, snapshot, upto
            )
            if row is None:
                raise StreamNotFoundError(stream)
            if row["tombstoned"] or (row["deleted"] and not row["has_events"]):
                raise StreamDeletedError(stream, tombstoned=row["tombstoned"])
            return row

        row = await fetch(from_version, left, 0, snapshot=since_snapshot)
        version: int = row["version"]
        snapshot = snapshot_of(stream, row)
        ahead = _Ahead[Any]()
        try:
            while True:
                left -= row["events"]
                at = (row["lowest"] - 1 if backwards else row["highest"] + 1) if row["events"] else 0
                if left > 0 and (at > row["floor"] if backwards else 0 < at <= version):
                    ahead.start(fetch(at, left, 0 if backwards else version, snapshot=False))
                metrics.EVENTS_READ.add(row["events"])
                yield StreamPage(row["frames"] or b"", row["events"], version, snapshot)
                snapshot = None
                row = await ahead.take()
                if row is None or not row["events"]:
                    return
        finally:
            await ahead.cancel()


class _Ahead(Generic[T]):
    """A page that is being fetched before it is asked for."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    def start(self, fetch: Coroutine[Any, Any, T]) -> None:
        self._task = asyncio.create_task(fetch)

    async def take(self) -> T | None:
        """The page; None if none is being fetched."""
        if self._task is None:
            return None
        page = await self._task
        self._task = None
        return page

    async def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None


def _first_scan(where: EventFilter | None) -> int:
    if where is None or where.partition is None:
        return _FIRST_SCAN
    return min(where.partition.of * _SCAN_PER_PARTITION, _LONGEST_SCAN)


def _fits_more(frames: bytes) -> bool:
    """Whether a page ended for want of events, and not because it was full."""
    return len(frames) < PAGE_BYTES


def snapshot_of(stream: str, row: Any) -> Snapshot | None:
    """The snapshot in a row, or None if it holds none."""
    if row["snapshot_version"] is None:
        return None
    return Snapshot(
        stream,
        row["snapshot_version"],
        row["snapshot_state"],
        row["snapshot_is_json"],
        json.loads(row["snapshot_metadata"]),
        row["snapshot_saved_at"],
    )
