"""What must be durable before a worker is answered: done one after the other, in the order in which the worker said it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from mink_server.core import limits
from mink_server.core.errors import DatabaseUnavailableError, OverloadedError, PositionAheadError, ProjectionNotFoundError
from mink_server.core.projections.model import HandlerError
from mink_server.rpc.projections import messages
from mink_server.rpc.projections.feed import Feed
from mink_server.rpc.projections.replays import Replays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from mink_server.core.log import Log
    from mink_server.rpc.drain import Drain
    from mink_server.rpc.projections.holding import Held
    from mink_server.rpc.projections.leases import Leases
    from mink_server.rpc.projections.outbox import Outbox
    from mink_server.rpc.waiting import Waiting

log = structlog.get_logger(__name__)

T = TypeVar("T")

# What may wait to be done for one worker; with more, what it says is not read further.
_MOST_WAITING: Final = 256
_PAUSE: Final = 0.1


class Desk:
    """Does it for one worker.

    Args:
        log: The log, with its projections.
        drain: Says when the server is about to stop.
        waiting: Bounds what is in memory.
        outbox: The worker's.
        leases: The worker's.
        changed: Is called with the projection's name when something has changed that a round should look at.
        end: Ends the worker's call with an error.
    """

    def __init__(
        self,
        log: Log,
        drain: Drain,
        waiting: Waiting,
        outbox: Outbox,
        leases: Leases,
        changed: Callable[[str], None],
        end: Callable[[Exception], None],
    ) -> None:
        self._log = log
        self._workers = log.projections.workers
        self._drain = drain
        self._waiting = waiting
        self._outbox = outbox
        self._leases = leases
        self._changed = changed
        self._end = end
        self._clock = asyncio.get_running_loop().time
        self._queue: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()

    async def run(self) -> None:
        """Does what is asked for, for as long as the call lives."""
        while True:
            do = await self._queue.get()
            if self._queue.qsize() < _MOST_WAITING:
                self._room.set()
            try:
                await do()
            finally:
                self._queue.task_done()

    async def room(self) -> None:
        """Waits until little is to be done."""
        await self._room.wait()

    @property
    def full(self) -> bool:
        """Whether much is to be done."""
        return not self._room.is_set()

    async def done(self) -> None:
        """Waits until all is done."""
        await self._queue.join()

    def start(self, held: Held, position: int, log_id: str) -> None:
        """Sends events from after a position, if it is one of this log."""
        self._put(lambda: self._start(held, position, log_id))

    def release(self, held: Held) -> None:
        """Gives back a lease that has ended."""
        self._put(lambda: self._release(held))

    def fault(self, held: Held, error: HandlerError, restart_after: float | None) -> None:
        """Faults the partition of a lease that has ended."""
        self._put(lambda: self._fault(held, error, restart_after))

    def park(self, held: Held, error: HandlerError) -> None:
        """Sets an event aside."""
        self._put(lambda: self._park(held, error))

    def finish(self, held: Held) -> None:
        """The read model is cleared, or switched."""
        self._put(lambda: self._finish(held))

    def _put(self, do: Callable[[], Awaitable[None]]) -> None:
        self._queue.put_nowait(do)
        if self._queue.qsize() >= _MOST_WAITING:
            self._room.clear()

    async def _durably(self, held: Held, do: Callable[[], Awaitable[T]]) -> T | None:
        """Does something as soon as the database is there; None if the lease has run out before."""
        while True:
            try:
                return await do()
            except DatabaseUnavailableError:
                if self._clock() >= held.until:
                    return None
            await asyncio.sleep(_PAUSE)

    async def _start(self, held: Held, position: int, log_id: str) -> None:
        known = self._log.tail.head
        head = await self._durably(held, self._log.reads.head)
        if head is None or not self._leases.has(held):
            return
        self._log.tail.compare(head, known)
        if position > head.position or (log_id and log_id != head.log_id):
            await self._refuse(held, PositionAheadError(position, head.position, head.log_id), log_id)
            return
        if not await self._durably(held, lambda: self._workers.start(held.lease, position)):
            self._leases.lose(held)
            return
        held.start(position)
        if self._leases.has(held) and held.revoked_at is None:
            held.replays = Replays(
                self._log.reads, self._outbox, held, self._waits, lambda at, error: self._replayed(held, at, error)
            )
            self._beside(held, self._feed(held), "feed")
            self._beside(held, held.replays.run(), "replays")
            self._changed(self._leases.projection)

    async def _feed(self, held: Held) -> None:
        try:
            await Feed(self._log, self._drain, self._waiting, self._outbox, held).run()
        except PositionAheadError as error:
            ahead = PositionAheadError(error.position, error.head, error.log_id)
            self._put(lambda: self._refuse(held, ahead, ""))

    def _beside(self, held: Held, work: Coroutine[Any, Any, None], name: str) -> None:
        """Does something until the lease ends. What fails there ends the call."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                self._end(error)

        task = asyncio.create_task(work, name=f"mink-projection-{name}")
        task.add_done_callback(ended)
        held.tasks.append(task)

    async def _refuse(self, held: Held, error: PositionAheadError, log_id: str) -> None:
        """The worker's position is not one of this log."""
        if self._leases.has(held):
            held.end()
            given = f" of log {log_id[:100]}" if log_id else ""
            said = (
                f"{PositionAheadError.reason}: the read model is at position {error.position}{given}, which is none of this log "
                f"(id {error.log_id}, head {error.head}): the database was restored or replaced; rebuild the projection"
            )
            await self._fault(held, HandlerError(0, "", "", said, 1), None)
            self._leases.lose(held)

    async def _release(self, held: Held) -> None:
        # Also what was taken for a save or a round that is under way: it may come too late.
        progress = held.take(self._clock()) if held.started else None
        await self._durably(held, lambda: self._workers.release(held.lease, progress))
        self._changed(self._leases.projection)

    async def _fault(self, held: Held, error: HandlerError, restart_after: float | None) -> None:
        log.warning(
            "a projection is faulted",
            projection=held.lease.projection,
            partition=held.lease.partition,
            position=error.position,
            restart_after_s=restart_after,
        )
        if held.started:
            progress = held.take(self._clock())
            await self._durably(held, lambda: self._workers.save([progress]))
        await self._durably(held, lambda: self._workers.fault(held.lease, error, restart_after))
        self._changed(self._leases.projection)

    async def _park(self, held: Held, error: HandlerError) -> None:
        if not self._leases.has(held):
            return
        try:
            safe = await self._durably(held, lambda: self._workers.park(held.lease, error))
        except OverloadedError as full:
            held.end()
            text = f"{full}; {error.message}"[: limits.MAX_ERROR_TEXT]
            said = HandlerError(error.position, error.type, error.stream, text, error.attempts)
            await self._fault(held, said, None)
            self._leases.lose(held)
            return
        if safe:
            self._outbox.put(messages.parked(held.lease, error.position))
        else:
            self._leases.lose(held)

    async def _waits(self, position: int) -> bool:
        """Whether a parked event is to be tried again."""
        try:
            found = await self._log.projections.control.replaying(self._leases.projection, [position])
        except ProjectionNotFoundError:
            return False
        return found.get(position, False)

    async def _replayed(self, held: Held, position: int, error: HandlerError | None) -> None:
        if await self._durably(held, lambda: self._workers.replayed(held.lease, position, error)) is False:
            self._leases.lose(held)
        self._changed(self._leases.projection)

    async def _finish(self, held: Held) -> None:
        if await self._durably(held, lambda: self._workers.done(held.lease)):
            self._leases.drop(held)
        else:
            self._leases.lose(held)
        self._changed(self._leases.projection)
