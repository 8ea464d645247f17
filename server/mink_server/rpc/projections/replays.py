"""Parked events of one lease, given to its worker once more: one at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.errors import DatabaseUnavailableError, OverloadedError
from mink_server.core.projections.model import HandlerError
from mink_server.rpc.projections import messages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from mink_server.core.log import Reads
    from mink_server.rpc.projections.holding import Held
    from mink_server.rpc.projections.outbox import Outbox

log = structlog.get_logger(__name__)

# What is said of an event that is parked and not in the log. Who has asked for it to be tried again drops it.
REMOVED: Final = "the event was removed from the log"
_PAUSE: Final = 0.2
# How many times an event's bytes are in memory while it is sent: as it was read, as it is sent, with gRPC.
_WEIGHT: Final = 3


class Replays:
    """Tries parked events again.

    Args:
        reads: Reads the log.
        outbox: The worker's.
        held: The lease.
        waits: Whether an event still waits for being tried again: somebody may have dropped it.
        told: Says what became of an event: its position, and what went wrong; None: it is handled.
    """

    def __init__(
        self,
        reads: Reads,
        outbox: Outbox,
        held: Held,
        waits: Callable[[int], Awaitable[bool]],
        told: Callable[[int, HandlerError | None], Awaitable[None]],
    ) -> None:
        self._reads = reads
        self._outbox = outbox
        self._held = held
        self._waits = waits
        self._told = told
        self._waiting: deque[int] = deque()
        self._news = asyncio.Event()
        self._done: dict[int, float] = {}
        self._at = 0
        self._answer: asyncio.Future[HandlerError | None] | None = None

    def wait(self, positions: Collection[int], as_of: float) -> None:
        """Takes the first positions that wait, as they are found again and again; what does not wait any more is not tried.

        Args:
            positions: The positions.
            as_of: Loop time at which they waited: what was tried since then is not tried again.
        """
        self._done = {position: at for position, at in self._done.items() if at >= as_of}
        self._waiting = deque(sorted(set(positions) - self._done.keys() - {self._at}))
        if self._waiting:
            self._news.set()

    def answered(self, position: int, error: HandlerError | None) -> None:
        """The worker has tried an event; nothing if it was not asked to."""
        if self._answer is not None and not self._answer.done() and position == self._at:
            self._answer.set_result(error)

    async def run(self) -> None:
        """Tries events, for as long as the lease is held."""
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            self._at = self._waiting.popleft()
            await self._try(self._at)
            self._done[self._at] = asyncio.get_running_loop().time()
            self._at = 0

    async def _try(self, position: int) -> None:
        """Tries an event again, and says what became of it."""
        while True:
            try:
                answer = await self._send(position)
            except (OverloadedError, DatabaseUnavailableError) as error:
                log.debug("a parked event cannot be sent and is tried again", why=str(error))
            else:
                if answer is not None:
                    await self._told(position, await answer)
                return
            await asyncio.sleep(_PAUSE)

    async def _send(self, position: int) -> asyncio.Future[HandlerError | None] | None:
        """Sends an event; answers with what the worker's answer will be in, or None if it does not wait any more."""
        answer: asyncio.Future[HandlerError | None] = asyncio.get_running_loop().create_future()
        # Through the lease's filter: a position is no way to an event that the worker may not have.
        async for page in self._reads.read_all(after=position - 1, upto=position, limit=1, where=self._held.where):
            if not page.events:
                continue
            # As late as can be: what is dropped while it is on its way is handled all the same.
            if not await self._waits(position):
                return None
            self._answer = answer
            await self._outbox.send(messages.replay(page.frames, self._held.key), _WEIGHT)
            return answer
        log.warning("a parked event is not in the log any more", projection=self._held.lease.projection, position=position)
        answer.set_result(HandlerError(position, "", "", REMOVED, 0))
        return answer
