"""Group commit: everything that waits goes to Postgres in one call, is committed once, and each caller gets an answer of its own.

While one batch commits, the next one gathers: batches grow with the load, and a lone append never waits for company.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import structlog

from mink_server.core.errors import (
    AppendTimeoutError,
    DatabaseUnavailableError,
    MinkError,
    OverloadedError,
    RetryableError,
    ShuttingDownError,
)
from mink_server.core.events import AppendResult
from mink_server.storage.batch import Batch, Waiting, has_replays
from mink_server.storage.database import Backoff, OwnConnection, cut_after
from mink_server.storage.errors import DATABASE_ERRORS, translate, unavailable
from mink_server.storage.statements import statement
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from mink_server.core.events import Append
    from mink_server.storage.tail import Tail
    from mink_server.telemetry.spans import BatchSpans

log = structlog.get_logger(__name__)

MAX_BATCH_APPENDS: Final = 500
MAX_BATCH_EVENTS: Final = 10_000
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
# Of more waiting appends than this, only half go into a batch. Postgres then has work while the callers of the other half are told
# and send again; otherwise both sides would wait for each other in turn.
_WHOLE: Final = 32


class Writer:
    """Writes the appends of one log.

    Args:
        connection: The connection that it writes over.
        schema: The schema that the log is in.
        server: This server's id, by which the listener knows its own appends.
        tail: Gets every batch's events after its commit, before its callers are told.
        max_waiting: Appends that may wait; more are OVERLOADED.
        max_waiting_bytes: Bytes of events that may wait.
        timeout: Seconds after which an append fails while the database is away.
        spans: Makes spans of batches; None: there are no traces.
    """

    def __init__(
        self,
        connection: OwnConnection,
        schema: str,
        server: str,
        tail: Tail,
        *,
        max_waiting: int = 20_000,
        max_waiting_bytes: int = 64 * 1024 * 1024,
        timeout: float = 10.0,
        spans: BatchSpans | None = None,
    ) -> None:
        self._connection = connection
        self._query = statement("append", schema)
        self._confirm = statement("confirm", schema)
        self._server = server
        self._tail = tail
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._timeout = timeout
        self._spans = spans
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write."""
        metrics.APPENDS_WAITING.set_function(lambda: len(self._waiting))
        self._task = asyncio.create_task(self._run(), name="mink-writer")

    async def close(self, grace: float = 5.0) -> None:
        """Takes nothing more, writes what waits for at most `grace` seconds, and fails the rest."""
        self._closing = True
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            log.warning("appends were given up at the end of the grace", waiting=len(self._waiting))
            self._connection.cut()  # not cancelled, see `cut_after`
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._waiting:
            _tell([self._pop()], ShuttingDownError())

    def submit(self, append: Append) -> None:
        """Queues an append; it is told what became of it through `Append.done`.

        Raises:
            OverloadedError: Too much is waiting.
            ShuttingDownError: The server is about to stop.
        """
        try:
            self._enqueue(append)
        except MinkError as error:
            metrics.APPENDS.add(error.reason)
            raise

    def _enqueue(self, append: Append) -> None:
        if self._closing:
            raise ShuttingDownError
        if len(self._waiting) >= self._max_waiting:
            raise OverloadedError(f"{self._max_waiting} appends")
        waiting = Waiting(append)
        if self._waiting_bytes + waiting.size > self._max_waiting_bytes and self._waiting:
            raise OverloadedError(f"{self._max_waiting_bytes} bytes of appends")
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.size
        if not self._wake.is_set():
            self._wake.set()
            self._idle.clear()

    def _pop(self) -> Waiting:
        waiting = self._waiting.popleft()
        self._waiting_bytes -= waiting.size
        return waiting

    async def _run(self) -> None:
        """Writes batch after batch. The next one is sent before the callers of the last one are told: Postgres does not wait."""
        written: _Written | None = None
        while True:
            taken = self._take()
            if written is None and taken:
                written = await self._write(taken)
            elif written is not None and taken:
                call = asyncio.create_task(self._write(taken))
                await asyncio.sleep(0)  # lets the call go out
                self._answer(written)
                written = await call
            elif written is not None:
                self._answer(written)
                written = None
            elif not self._waiting:
                self._wake.clear()
                self._idle.set()
                await self._wake.wait()

    def _take(self) -> list[Waiting]:
        """The appends of the next batch. Empty: nothing waits."""
        taken: list[Waiting] = []
        ids: set[str] = set()
        events = size = 0
        now = asyncio.get_running_loop().time()
        most = min(max(len(self._waiting) // 2, _WHOLE), MAX_BATCH_APPENDS)
        while self._waiting and len(taken) < most:
            waiting = self._waiting[0]
            append = waiting.append
            if append.abandoned or append.deadline <= now:
                _tell([self._pop()], AppendTimeoutError())
                continue
            events += len(waiting.ids)
            size += waiting.size
            # An append sent twice meets itself in a later batch, where its first sending is in the log.
            if taken and (events > MAX_BATCH_EVENTS or size > MAX_BATCH_BYTES or not ids.isdisjoint(waiting.ids)):
                break
            ids.update(waiting.ids)
            taken.append(self._pop())
        return taken

    async def _write(self, taken: Sequence[Waiting]) -> _Written:
        """Writes a batch. Does not raise, unless it is cancelled: what fails is the outcome of its appends."""
        if self._spans is None:
            return await self._send(taken)
        with self._spans.batch([waiting.append for waiting in taken], sum(waiting.size for waiting in taken)) as failed:
            written = await self._send(taken)
            for _, _, answer in written:
                if isinstance(answer, MinkError):
                    failed(answer)
            return written

    async def _send(self, taken: Sequence[Waiting]) -> _Written:
        started = time.perf_counter()
        try:
            batch = Batch(taken, time.time_ns() // 1000 * 1000, self._server, self._tail.head)
            answer = await self._call(batch)
        except asyncio.CancelledError:
            _tell(taken, ShuttingDownError())
            raise
        except DatabaseUnavailableError as error:
            return _failed(taken, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, these appends have failed and the writer goes on
            if len(taken) == 1:
                return _failed(taken, translate(error))
            # Something in the batch cannot be written. Apart, each append can only fail itself.
            log.warning(
                "a batch failed as a whole; its appends are tried apart", error_type=type(error).__name__, appends=len(taken)
            )
            return await self._write_apart(taken)
        metrics.BATCH_SECONDS.observe(time.perf_counter() - started)
        metrics.BATCH_APPENDS.observe(len(taken))
        return [(taken, batch, answer)]

    async def _write_apart(self, taken: Sequence[Waiting]) -> _Written:
        written: _Written = []
        for number, waiting in enumerate(taken):
            part = await self._write([waiting])
            written += part
            if isinstance(part[0][2], RetryableError):  # the database has left: none of the rest would come through
                return written + _failed(taken[number + 1 :], part[0][2])
        return written

    def _answer(self, written: _Written) -> None:
        """Gives the events to the tail, and each append its outcome."""
        for taken, batch, answer in written:
            try:
                self._answer_batch(taken, batch, answer)
            except Exception as error:
                log.exception("a batch could not be answered")
                _tell([waiting for waiting in taken if waiting.append.outcome is None], translate(error))

    def _answer_batch(self, taken: Sequence[Waiting], batch: Batch | None, answer: Any) -> None:
        if isinstance(answer, DatabaseUnavailableError):
            self._give_up_waiting(answer)
        if isinstance(answer, MinkError):
            _tell(taken, answer)
            return
        assert batch is not None
        results, chunk = batch.outcomes(answer)
        if chunk is not None:
            self._tail.committed(chunk, batch.sent_at)
            metrics.EVENTS_APPENDED.add_each(map(itemgetter(1), chunk.keys))
            metrics.BYTES_APPENDED.add(chunk.size)
        # What a lost answer told nobody of: its batch, sent again, consists of replays.
        self._tail.announce(answer["head"])
        _tell(taken, results)

    def _give_up_waiting(self, error: DatabaseUnavailableError) -> None:
        """Fails all that waits: it has waited for the database as long as the batch that was given up."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        _tell(waiting, error)

    async def _call(self, batch: Batch) -> Any:
        """Sends a batch until its outcome is known.

        A connection lost during the call leaves the outcome open. Sending the batch again settles it: the ids of what was
        committed answer as replays.

        Raises:
            DatabaseUnavailableError: The database stayed away.
        """
        end = time.monotonic() + self._timeout
        backoff = Backoff()
        while True:
            try:
                connection = await self._connection.get()
                with cut_after(connection, max(end - time.monotonic(), 0.1)):
                    answer = await connection.fetchrow(self._query, *batch.arguments)
                    if has_replays(answer):
                        await connection.execute(self._confirm)
                    return answer
            except DATABASE_ERRORS as error:
                problem = unavailable(error)
                if problem is None:
                    raise
                self._connection.drop(error)
                if time.monotonic() >= end:
                    raise problem from error
            await backoff.wait()


# What was sent together: its appends, and Postgres's answer for the batch, or why there is none.
_Written = list[tuple[Sequence[Waiting], Batch | None, Any]]


def _failed(taken: Sequence[Waiting], error: MinkError) -> _Written:
    return [(taken, None, error)]


def _tell(taken: Sequence[Waiting], results: Sequence[AppendResult | MinkError] | MinkError) -> None:
    """Gives each append its outcome, and counts it."""
    now = time.perf_counter()
    outcomes: dict[str, int] = {}
    for waiting, result in zip(taken, [results] * len(taken) if isinstance(results, MinkError) else results, strict=True):
        append = waiting.append
        append.finish(result)
        if type(result) is AppendResult:
            outcome = "replayed" if result.replayed else "appended"
        elif append.abandoned and type(result) is AppendTimeoutError:
            outcome = "abandoned"
        else:
            assert isinstance(result, MinkError)
            outcome = result.reason
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    metrics.APPEND_SECONDS.observe_each([now - waiting.arrived for waiting in taken])
    for outcome, count in outcomes.items():
        metrics.APPENDS.add(outcome, count)
