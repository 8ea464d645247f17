"""Follows the log: catches up from the database, then follows the tail; who is too slow for it goes back to the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from mink_server.core.errors import PositionAheadError
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.core.filters import EventFilter
    from mink_server.core.log import Events, Log
    from mink_server.rpc.lifetime import Lifetime

MESSAGE_BYTES: Final = 256 * 1024
# How many times a message of events is in memory while it is sent: ours, gRPC's, and of the database the page and the next one.
_WEIGHT_LIVE, _WEIGHT_OF_A_PAGE = 2, 4


class Sink(Protocol):
    """Takes what follows. Each call may wait for as long as its client needs; `position` is the one up to which all was sent."""

    async def events(self, frames: Sequence[bytes], position: int, weight: int) -> None:
        """Events as finished bytes; `weight` says how many times they are in memory."""

    async def caught_up(self, position: int) -> None:
        """All that the log had was sent."""

    async def fell_behind(self, position: int) -> None:
        """The tail has gone on without it."""

    async def checkpoint(self, position: int) -> None:
        """Nothing new, for `quiet_seconds`."""


class Following:
    """A cursor that moves through the log.

    Attributes:
        position: Everything that matches up to it was sent.

    Args:
        log: The log.
        lifetime: Says when it has to end.
        position: Where to begin: after this position.
        where: Which events; None: all.
        quiet_seconds: The longest silence.
        sink: Takes what follows.
    """

    def __init__(
        self, log: Log, lifetime: Lifetime, position: int, where: EventFilter | None, quiet_seconds: float, sink: Sink
    ) -> None:
        self._log = log
        self._tail = log.tail
        self._epoch = log.tail.epoch
        self._lifetime = lifetime
        self.position = position
        self._where = where
        self._quiet_seconds = quiet_seconds
        self._sink = sink
        self._last_message = 0.0

    @property
    def lag(self) -> int:
        """How many positions it is behind the head."""
        return max(self._tail.head - self.position, 0)

    async def run(self) -> None:
        """Follows until it has to end.

        Raises:
            ShuttingDownError: It had to end; a checkpoint was sent just before.
            PositionAheadError: The log was replaced, or has lost its end.
        """
        await self._checkpoint()
        caught_up = False
        while True:
            self._check_log()
            chunks = self._tail.since(self.position, MESSAGE_BYTES)
            if chunks is None:
                if caught_up:
                    caught_up = False
                    await self._sink.fell_behind(self.position)
                    self._spoke()
                with metrics.SUBSCRIBERS.labels("catching_up").track_inprogress():
                    await self._catch_up()
                continue
            with metrics.SUBSCRIBERS.labels("live").track_inprogress():
                while chunks is not None:
                    if chunks:
                        frames = self._take(chunks)
                        del chunks  # a slow client must not keep in memory what the tail lets go
                        if frames:
                            await self._events(frames, _WEIGHT_LIVE)
                        else:
                            await self._checkpoint_if_quiet()
                    if not caught_up and self.position >= self._tail.head:
                        caught_up = True
                        await self._sink.caught_up(self.position)
                        self._spoke()
                    await self._end_if_over()
                    if self.position >= self._tail.head:
                        quiet = time.monotonic() - self._last_message
                        if quiet >= self._quiet_seconds:
                            await self._checkpoint()
                            quiet = 0.0
                        await self._tail.wait(max(min(self._quiet_seconds - quiet, self._lifetime.left), 0))
                    self._check_log()
                    chunks = self._tail.since(self.position, MESSAGE_BYTES)

    def _check_log(self) -> None:
        """Ends it if what was sent is not in the log any more."""
        if self._epoch != self._tail.epoch:
            if self.position > self._tail.kept:
                raise PositionAheadError(self.position, self._tail.head, self._tail.log_id)
            self._epoch = self._tail.epoch

    async def _catch_up(self) -> None:
        """Reads from the database up to the head of now."""
        async for page in self._log.reads.read_all(after=self.position, upto=self._tail.head, where=self._where):
            self.position = page.position
            if page.events:
                await self._events((page.frames,), _WEIGHT_OF_A_PAGE)
            else:
                await self._checkpoint_if_quiet()
            await self._end_if_over()

    async def _end_if_over(self) -> None:
        if (error := self._lifetime.over) is not None:
            await self._checkpoint()
            raise error

    def _take(self, chunks: Sequence[Events]) -> list[bytes]:
        """Moves behind what fits into a message, and answers with what of it passes.

        It ends with the event that passes the bound.
        """
        where = self._where
        frames: list[bytes] = []
        size = 0
        for chunk in chunks:
            for position, (frame, key) in enumerate(zip(chunk.frames, chunk.keys, strict=True), chunk.first):
                if where is None or where.matches(*key):
                    frames.append(frame)
                    size += len(frame)
                    if size >= MESSAGE_BYTES:
                        self.position = position
                        return frames
        self.position = chunks[-1].last
        return frames

    async def _checkpoint_if_quiet(self) -> None:
        if time.monotonic() - self._last_message >= self._quiet_seconds:
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        await self._sink.checkpoint(self.position)
        self._spoke()

    async def _events(self, frames: Sequence[bytes], weight: int) -> None:
        await self._sink.events(frames, self.position, weight)
        self._spoke()

    def _spoke(self) -> None:
        self._last_message = time.monotonic()
