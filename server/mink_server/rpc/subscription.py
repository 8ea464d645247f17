"""SubscribeAll: catches up from the database, then follows the tail; a subscriber that is too slow goes back to the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import PositionAheadError, ShuttingDownError
from mink_server.telemetry import metrics
from mink_server.wire import block, number, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from mink_server.core.filters import EventFilter
    from mink_server.core.log import Events, Log
    from mink_server.rpc.drain import Drain

_MESSAGE_BYTES: Final = 256 * 1024
# Tags of SubscribeAllResponse, then of the fields that its messages share.
_EVENTS, _CAUGHT_UP, _FELL_BEHIND, _CHECKPOINT = b"\x0a", b"\x12", b"\x1a", b"\x22"


def _now() -> bytes:
    return timestamp(time.time_ns())


class Subscription:
    """One call: a cursor that moves through the log.

    Args:
        log: The log.
        drain: Says when the server is about to stop.
        context: The call.
        position: Where to begin: after this position.
        where: Which events.
        checkpoint_seconds: The longest silence.
    """

    def __init__(
        self,
        log: Log,
        drain: Drain,
        context: grpc.aio.ServicerContext[Any, Any],
        position: int,
        where: EventFilter | None,
        checkpoint_seconds: float,
    ) -> None:
        self._log = log
        self._tail = log.tail
        self._epoch = log.tail.epoch
        self._drain = drain
        self._context = context
        self._position = position
        self._where = where
        self._checkpoint_seconds = checkpoint_seconds
        self._last_message = 0.0

    async def run(self) -> None:
        """Sends messages for as long as the call lives.

        Raises:
            ShuttingDownError: The server is about to stop; a Checkpoint was sent just before.
            PositionAheadError: The log was replaced, or has lost its end.
        """
        await self._send_checkpoint()
        caught_up = False
        while True:
            self._check_log()
            chunks = self._tail.since(self._position, _MESSAGE_BYTES)
            if chunks is None:
                if caught_up:
                    caught_up = False
                    metrics.FELL_BEHIND.inc()
                    await self._send(_FELL_BEHIND)
                with metrics.SUBSCRIBERS.labels("catching_up").track_inprogress():
                    await self._catch_up()
                continue
            with metrics.SUBSCRIBERS.labels("live").track_inprogress():
                while chunks is not None:
                    if chunks:
                        await self._send_chunks(chunks)
                    if not caught_up and self._position >= self._tail.head:
                        caught_up = True
                        await self._send(_CAUGHT_UP)
                    if self._drain.begun:
                        await self._send_checkpoint()
                        raise ShuttingDownError
                    if self._position >= self._tail.head:
                        quiet = time.monotonic() - self._last_message
                        if quiet >= self._checkpoint_seconds:
                            await self._send_checkpoint()
                            quiet = 0.0
                        await self._tail.wait(self._checkpoint_seconds - quiet)
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
                await self._send_events(page.frames)
            else:
                await self._checkpoint_if_quiet()
            if self._drain.begun:
                await self._send_checkpoint()
                raise ShuttingDownError

    async def _send_chunks(self, chunks: Sequence[Events]) -> None:
        """Sends what passes, in messages that are bounded: a message ends with the event that passes the bound."""
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
                        await self._send_events(b"".join(frames))
                        frames, size = [], 0
        self._position = chunks[-1].last
        if frames:
            await self._send_events(b"".join(frames))
        else:
            await self._checkpoint_if_quiet()

    async def _checkpoint_if_quiet(self) -> None:
        if time.monotonic() - self._last_message >= self._checkpoint_seconds:
            await self._send_checkpoint()

    async def _send_events(self, frames: bytes) -> None:
        await self._write(block(_EVENTS, b"".join((frames, number(b"\x10", self._position), block(b"\x1a", _now())))))

    async def _send_checkpoint(self) -> None:
        rest = number(b"\x18", self._tail.head) + block(b"\x22", self._tail.log_id.encode())
        await self._send(_CHECKPOINT, rest)

    async def _send(self, kind: bytes, rest: bytes = b"") -> None:
        await self._write(block(kind, number(b"\x08", self._position) + block(b"\x12", _now()) + rest))

    async def _write(self, message: bytes) -> None:
        await self._context.write(message)
        self._last_message = time.monotonic()
