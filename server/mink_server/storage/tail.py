"""The newest events of a log in memory, as finished bytes, for all subscribers at once.

What this process commits comes straight from the writer; what others commit is read when Postgres notifies. Positions have no
holes, so the tail takes an event only if it is the next one: it cannot miss any.
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.errors import DatabaseUnavailableError
from mink_server.storage.batch import Chunk
from mink_server.storage.database import Backoff, Database
from mink_server.storage.errors import translate
from mink_server.storage.statements import statement
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.core.reading import Head
    from mink_server.storage.reader import Reader

log = structlog.get_logger(__name__)

_READ_EVENTS: Final = 2_000
_READ_BYTES: Final = 1024 * 1024


class Tail:
    """The newest events of one log.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        reader: Who reads the head.
        max_bytes: Bytes of events kept.
    """

    def __init__(self, database: Database, schema: str, reader: Reader, *, max_bytes: int = 32 * 1024 * 1024) -> None:
        self._database = database
        self._read = statement("read_tail", schema)
        self._reader = reader
        self._max_bytes = max_bytes
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._early: dict[int, Chunk] = {}
        self._wanted = 0
        self._fetch = asyncio.Event()
        self._changed: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.head = 0
        self.log_id = ""
        # Counts how often the log turned out to be another one, or to have lost its end; and up to where it was then the same.
        self.epoch = 0
        self.kept = 0
        self._suspect: int | None = None

    def start(self, head: Head) -> None:
        """Begins at a head that was read from the database."""
        self.head = self._wanted = head.position
        self.log_id = head.log_id
        metrics.HEAD.set_function(lambda: self.head)
        metrics.TAIL_BYTES.set_function(lambda: self._bytes)
        self._task = asyncio.create_task(self._follow(), name="mink-tail")

    async def close(self) -> None:
        """Ends; those that wait are woken."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.wake()

    def committed(self, chunk: Chunk, sent_at: int) -> None:
        """Takes what this process has committed; `sent_at` was the head when it was sent."""
        if chunk.first <= sent_at:
            self._distrust(chunk.first - 1)
        if self._suspect is not None:
            return
        if chunk.first == self.head + 1:
            self._add(chunk)
            while early := self._early.pop(self.head + 1, None):
                self._add(early)
            self.wake()
        elif chunk.first > self.head + 1:
            # Others have committed in between. What is missing is read; this need not be.
            if len(self._early) < 64:
                self._early[chunk.first] = chunk
            self.announce(chunk.last)

    def announce(self, head: int) -> None:
        """Hears that the log has events up to a position."""
        self._wanted = max(self._wanted, head)
        if head > self.head:
            self._fetch.set()

    def forget(self) -> None:
        """Drops the events from memory: some were removed from the log. Subscribers go on from the database."""
        self._chunks.clear()
        self._early.clear()
        self._bytes = 0

    def compare(self, head: Head, before: int) -> None:
        """Takes a head that was read from the database; `before` was this tail's head before it was read."""
        if head.log_id != self.log_id or head.position < before:
            self._restart(head, head.position)
        else:
            self.announce(head.position)

    def _distrust(self, kept: int) -> None:
        """Postgres has given a position again: the log was replaced, or has lost what came after `kept`."""
        if self._suspect is None or kept < self._suspect:
            self._suspect = kept
        self.forget()
        self._fetch.set()

    def _restart(self, head: Head, kept: int) -> None:
        """Begins anew: the log is another one than before, or has lost its end after `kept` (a restore, a failover)."""
        self.kept = kept if head.log_id == self.log_id else 0
        self.epoch += 1
        self._suspect = None
        log.warning("the log in the database is not the one that was there before", head=head.position, log_id=head.log_id)
        self.forget()
        self.head = self._wanted = head.position
        self.log_id = head.log_id
        self.wake()

    def since(self, position: int, max_bytes: int) -> Sequence[Chunk] | None:
        """The events after a position, in chunks that follow each other: about `max_bytes` of them, none if there is nothing new.

        None: they are not in memory any more.
        """
        if position >= self.head:
            return ()
        if not self._chunks or position + 1 < self._chunks[0].first:
            metrics.TAIL_MISSES.add(1)
            return None
        metrics.TAIL_HITS.add(1)
        chunks: list[Chunk] = []
        if position + 1 >= self._chunks[-1].first:  # the usual case: what the last commit brought
            start = len(self._chunks) - 1
        else:
            start = bisect.bisect_right(self._chunks, position + 1, key=lambda chunk: chunk.first) - 1
        size = 0
        for index in range(start, len(self._chunks)):
            chunk = self._chunks[index]
            if not chunks and chunk.first <= position:
                skip = position + 1 - chunk.first
                chunk = Chunk(position + 1, chunk.frames[skip:], chunk.keys[skip:])
            chunks.append(chunk)
            size += chunk.size
            if size >= max_bytes:
                break
        return chunks

    async def wait(self, seconds: float) -> None:
        """Waits until there may be something new, or `seconds` have passed."""
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._changed,), timeout=seconds)

    async def reach(self, position: int) -> None:
        """Waits until the tail has come to a position that the log has.

        Raises:
            DatabaseUnavailableError: It takes too long.
        """
        self.announce(position)
        end = time.monotonic() + 10
        while self.head < position:
            if time.monotonic() > end:
                raise DatabaseUnavailableError("the newest events cannot be read")
            await self.wait(1)

    def wake(self) -> None:
        """Wakes all that wait."""
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    def _add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._bytes += chunk.size
        self.head = chunk.last
        # A chunk costs some memory beside its frames, so the number of chunks is bounded, too.
        while self._bytes > self._max_bytes or len(self._chunks) > 100_000:
            self._bytes -= self._chunks.popleft().size

    async def _follow(self) -> None:
        """Reads what others have committed."""
        backoff = Backoff()
        while True:
            await self._fetch.wait()
            self._fetch.clear()
            try:
                if self._suspect is not None:
                    self._restart(await self._reader.head(), self._suspect)
                await self._read_missing()
                backoff = Backoff()
            except Exception as error:  # noqa: BLE001 - whatever it is, subscribers must not wait for ever
                log.warning("the tail could not be read and is tried again", why=str(translate(error)))
                self._fetch.set()
                await backoff.wait()

    async def _read_missing(self) -> None:
        while self.head < self._wanted:
            after, wanted = self.head, self._wanted
            rows = await self._database.fetch(self._read, after, wanted, _READ_EVENTS, _READ_BYTES)
            if self.head != after:
                continue  # the writer was quicker
            if rows and rows[0]["position"] == after + 1 and rows[-1]["position"] == after + len(rows):
                self._add(Chunk(after + 1, [r["frame"] for r in rows], [(r["stream"], r["type"]) for r in rows]))
            else:
                # Removed already. Subscribers read around the hole from the database.
                self.forget()
                self.head = rows[-1]["position"] if rows else min(wanted, after + _READ_EVENTS)
            for first in [first for first in self._early if first <= self.head]:
                del self._early[first]
            while early := self._early.pop(self.head + 1, None):
                self._add(early)
            self.wake()
