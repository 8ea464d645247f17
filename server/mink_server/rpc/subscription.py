"""SubscribeAll: what follows of the log, as its messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mink_server.rpc.following import Following
from mink_server.telemetry import metrics
from mink_server.wire import block, number, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from mink_server.core.filters import EventFilter
    from mink_server.core.log import Log
    from mink_server.rpc.lifetime import Lifetime
    from mink_server.rpc.waiting import Waiting

# Tags of SubscribeAllResponse, then of the fields that its messages share.
_EVENTS, _CAUGHT_UP, _FELL_BEHIND, _CHECKPOINT = b"\x0a", b"\x12", b"\x1a", b"\x22"


def _now() -> bytes:
    return timestamp(time.time_ns())


class Subscription:
    """One call.

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
        self._tail = log.tail
        self._waiting = waiting
        self._context = context
        self._following = Following(log, lifetime, position, where, checkpoint_seconds, self)

    async def run(self) -> None:
        """Sends messages for as long as the call lives.

        Raises:
            ShuttingDownError: It had to end; a Checkpoint was sent just before.
            PositionAheadError: The log was replaced, or has lost its end.
            OverloadedError: The client was too slow.
        """
        with metrics.lag_shown(lambda: self._following.lag):
            await self._following.run()

    async def events(self, frames: Sequence[bytes], position: int, weight: int) -> None:
        """See Sink."""
        message = block(_EVENTS, b"".join((*frames, number(b"\x10", position), block(b"\x1a", _now()))))
        await self._waiting.send(self._context, message, weight)

    async def caught_up(self, position: int) -> None:
        """See Sink."""
        await self._send(_CAUGHT_UP, position)

    async def fell_behind(self, position: int) -> None:
        """See Sink."""
        metrics.FELL_BEHIND.add(1)
        await self._send(_FELL_BEHIND, position)

    async def checkpoint(self, position: int) -> None:
        """See Sink."""
        rest = number(b"\x18", self._tail.head) + block(b"\x22", self._tail.log_id.encode())
        await self._send(_CHECKPOINT, position, rest)

    async def _send(self, kind: bytes, position: int, rest: bytes = b"") -> None:
        message = block(kind, number(b"\x08", position) + block(b"\x12", _now()) + rest)
        await self._waiting.send(self._context, message, 1, refuse=False)
