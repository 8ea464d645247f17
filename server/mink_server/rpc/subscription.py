"""SubscribeAll: catches up from the database, then follows the tail; a subscriber that is too slow goes back to the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import PositionAheadError
from mink_server.telemetry import metrics
from mink_server.wire import block, number, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from mink_server.core.filters import EventFilter
    from mink_server.core.log import Events, Log
    from mink_server.rpc.lifetime import Lifetime
    from mink_server.rpc.waiting import Waiting

_MESSAGE_BYTES: Final = 256 * 1024
# Tags of SubscribeAllResponse, then of the fields that its messages share.
_EVENTS, _CAUGHT_UP, _FELL_BEHIND, _CHECKPOINT = b"\x0a", b"\x12", b"\x1a", b"\x22"
# How many times a message of events is in memory while it is sent: ours, gRPC's, and of the database the page and the next one.
_WEIGHT_LIVE, _WEIGHT_OF_A_PAGE = 2, 4


def _now() -> bytes:
    return timestamp(time.time_ns())


class Subscription:
    """One call: a cursor that moves through the log.

    Args:
        log: The log.
        lifetime: Says when the call has to end.
        waiting: Sends messages.
        context: The call.
        position: Where to begin: after this position.
        where: Which events.
        checkpoint_seconds: The longest silence.
    """

    def __init__(
        self,
        log: Log,
        lifetime: Lifetime,
        waiting: Waiting,
        context: grpc.aio.ServicerContext[Any, Any],
        position: int,
        where: EventFilter | None,
        checkpoint_seconds: float,
    ) -> None:
        self._log = log
        self._tail = log.tail
        self._epoch = log.tail.epoch
        self._lifetime = lifetime
        self._waiting = waiting
        self._context = context
        self._position = position
        self._where = where
        self._checkpoint_seconds = checkpoint_seconds
        self._last_message = 0.0

    async def run(self) -> None:
        """Sends messages for as long as the call lives.

        Raises:
            ShuttingDownError: It had to end; a Checkpoint was sent just before.
            PositionAheadError: The log was replaced, or has lost its end.
            OverloadedError: The client was too slow.
        """
        with metrics.lag_shown(self._lag):
            await self._follow()

    def _lag(self) -> int:
        return max(self._tail.head - self._position, 0)

    async def _follow(self) -> None:
        await self._send_checkpoint()
        caught_up = False
        while True:
            self._check_log()
            chunks = self._tail.since(self._position, _MESSAGE_BYTES)
            if chunks is None:
                if caught_up:
                    caught_up = False
                    metrics.FELL_BEHIND.add(1)
                    await self._send(_FELL_BEHIND)
                with metrics.SUBSCRIBERS.labels("catching_up").track_inprogress():
                    await self._catch_up()
                continue
            with metrics.SUBSCRIBERS.labels("live").track_inprogress():
                while chunks is not None:
                    if chunks:
                        message = self._take(chunks)
                        del chunks  # a slow client must not keep in memory what the tail lets go
                        if message:
                            await self._write(message, _WEIGHT_LIVE)
                        else:
                            await self._checkpoint_if_quiet()
                    if not caught_up and self._position >= self._tail.head:
                        caught_up = True
                        await self._send(_CAUGHT_UP)
                    await self._end_if_over()
                    if self._position >= self._tail.head:
                        quiet = time.monotonic() - self._last_message
                        if quiet >= self._checkpoint_seconds:
                            await self._send_checkpoint()
                            quiet = 0.0
                        await self._tail.wait(max(min(self._checkpoint_seconds - quiet, self._lifetime.left), 0))
                    self._check_log()
                    chunks = self._tail.since(self._position, _MESSAGE_BYTES)

    def _check_log(self) -> None:
        """Ends the subscription if what it has sent is not in the log any more."""
        if self._epoch != self._tail.epoch:
            if self._position > self._tail.kept:
                raise PositionAheadError(self._position, self._tail.head, self._tail.log_id)
            self._epoch = self._tail.epoch

    async def _catch_up(self) -> None:
        """Reads from the database up to the head of now."""
        async for page in self._log.reads.read_all(after=self._position, upto=self._tail.head, where=self._where):
            self._position = page.position
            if page.events:
                await self._write(self._events((page.frames,)), _WEIGHT_OF_A_PAGE)
            else:
                await self._checkpoint_if_quiet()
            await self._end_if_over()

    async def _end_if_over(self) -> None:
        if (error := self._lifetime.over) is not None:
            await self._send_checkpoint()
            raise error

    def _take(self, chunks: Sequence[Events]) -> bytes:
        """Moves behind what fits into a message, and makes it of what passes; empty if nothing does.

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
                    if size >= _MESSAGE_BYTES:
                        self._position = position
                        return self._events(frames)
        self._position = chunks[-1].last
        return self._events(frames) if frames else b""

    async def _checkpoint_if_quiet(self) -> None:
        if time.monotonic() - self._last_message >= self._checkpoint_seconds:
            await self._send_checkpoint()

    def _events(self, frames: Sequence[bytes]) -> bytes:
        return block(_EVENTS, b"".join((*frames, number(b"\x10", self._position), block(b"\x1a", _now()))))

    async def _send_checkpoint(self) -> None:
        rest = number(b"\x18", self._tail.head) + block(b"\x22", self._tail.log_id.encode())
        await self._send(_CHECKPOINT, rest)

    async def _send(self, kind: bytes, rest: bytes = b"") -> None:
        await self._write(block(kind, number(b"\x08", self._position) + block(b"\x12", _now()) + rest), refuse=False)

    async def _write(self, message: bytes, weight: int = 1, *, refuse: bool = True) -> None:
        await self._waiting.send(self._context, message, weight, refuse=refuse)
        self._last_message = time.monotonic()
