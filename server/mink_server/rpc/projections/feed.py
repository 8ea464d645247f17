"""The events of one partition for the worker that holds its lease, as fast as it handles them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.errors import DatabaseUnavailableError, OverloadedError, PositionAheadError, ShuttingDownError
from mink_server.rpc.following import Following
from mink_server.rpc.lifetime import Lifetime
from mink_server.rpc.projections import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.core.log import Log
    from mink_server.rpc.drain import Drain
    from mink_server.rpc.projections.holding import Held
    from mink_server.rpc.projections.outbox import Outbox
    from mink_server.rpc.waiting import Waiting

log = structlog.get_logger(__name__)

# Seconds after which a worker is told how far its partition is although there were no events for it.
_QUIET: Final = 1.0
# Seconds for which what was read ahead is kept for a worker that is at other events, and seconds until it is tried again when
# there is no room or no database.
_KEEP: Final = 1.0
_PAUSE: Final = 0.2
# How many times a message's bytes are in memory while nothing of it is sent: it, and the page behind it.
_WEIGHT: Final = 2


class _LetGo(Exception):  # noqa: N818 - no error
    """The worker is at other events: what was read ahead is dropped."""


class Feed:
    """Sends one partition's events.

    Args:
        log: The log.
        drain: Says when the server is about to stop: nothing is sent any more then.
        waiting: Bounds what is in memory.
        outbox: The worker's.
        held: The lease.
    """

    def __init__(self, log: Log, drain: Drain, waiting: Waiting, outbox: Outbox, held: Held) -> None:
        self._log = log
        self._drain = drain
        self._waiting = waiting
        self._outbox = outbox
        self._held = held
        # Everything up to it was sent; the worker was told so up to `held.told`.
        self._position = held.told
        self._epoch = log.tail.epoch
        self._caught_up = False

    async def run(self) -> None:
        """Sends events until it is cancelled, or the server is about to stop.

        Raises:
            PositionAheadError: The log was replaced, or has lost its end.
        """
        while True:
            await self._held.credit()
            pause = 0.0
            try:
                self._check_log()
                await self._log.tail.reach(self._position)
                self._check_log()
                lifetime = Lifetime(self._drain, 0)
                await Following(self._log, lifetime, self._position, self._held.where, _QUIET, self).run()
            except ShuttingDownError:
                return
            except _LetGo:
                pass
            except (OverloadedError, DatabaseUnavailableError) as error:
                log.debug("a projection's events cannot be sent and are tried again", why=str(error))
                pause = _PAUSE
            self._lag()
            # Not inside of the except clause: with what was raised there would stay in memory what was read.
            await asyncio.sleep(pause)

    def _check_log(self) -> None:
        """Ends it if what was sent is not in the log any more."""
        tail = self._log.tail
        if self._epoch != tail.epoch:
            if self._position > tail.kept:
                raise PositionAheadError(self._position, tail.head, tail.log_id)
            self._epoch = tail.epoch

    def _lag(self) -> None:
        """There may be more than what was sent."""
        self._caught_up = False
        self._held.fell_behind()

    async def events(self, frames: Sequence[bytes], position: int, weight: int) -> None:
        """See Sink."""
        message = messages.events(frames, position, self._held.key)
        before = self._held.told
        self._held.sends(position)
        try:
            await self._outbox.send(message, weight)
        except OverloadedError:
            self._held.keeps(before)
            raise
        self._position = position
        if not self._held.has_credit:
            await self._wait_for_credit(len(message) * _WEIGHT)

    async def _wait_for_credit(self, cost: int) -> None:
        self._waiting.reserve(cost)
        try:
            async with asyncio.timeout(_KEEP):
                await self._held.credit()
        except TimeoutError:
            raise _LetGo from None
        finally:
            self._waiting.give_back(cost)

    async def caught_up(self, position: int) -> None:
        """See Sink."""
        self._position = position
        if not self._caught_up:
            self._caught_up = True
            self._held.reached_head(position)
            await self._tell()

    async def fell_behind(self, position: int) -> None:
        """See Sink."""
        self._position = position
        self._lag()
        await self._tell()

    async def checkpoint(self, position: int) -> None:
        """See Sink."""
        self._position = position
        if position > self._held.told:
            await self._tell()

    async def _tell(self) -> None:
        self._held.told = self._position
        await self._outbox.pass_on(messages.progress(self._position, self._held.key, caught_up=self._caught_up))
