"""What is to be sent to one worker: gRPC takes one message at a time, and no control message waits behind events."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mink_server.rpc.waiting import Waiting

# Control messages that may wait: with more, what the worker says is not read further.
_MOST_WAITING: Final = 1_000


class _Item:
    """A message whose sender waits; `cost` is what it counts in memory."""

    __slots__ = ("begun", "cost", "message", "sent")

    def __init__(self, message: bytes, cost: int, sent: asyncio.Future[None]) -> None:
        self.message = message
        self.cost = cost
        self.sent = sent
        self.begun = False


class Outbox:
    """Sends the messages of one call, one after the other: those of `put` and `pass_on` first, then those of `send`.

    Args:
        waiting: Sends them, and bounds what all calls have in memory.
        context: The call.
    """

    def __init__(self, waiting: Waiting, context: Any) -> None:
        self._waiting = waiting
        self._context = context
        self._control: deque[bytes | _Item] = deque()
        self._events: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None
        self._since: float | None = None

    def put(self, message: bytes) -> None:
        """Sends a control message, and does not wait."""
        self._control.append(message)
        if len(self._control) >= _MOST_WAITING:
            self._room.clear()
        self._wake.set()

    async def pass_on(self, message: bytes) -> None:
        """Sends a small message with the control messages, and waits until it is on its way."""
        await self._hand_over(self._control, message, 0)

    async def send(self, message: bytes, weight: int) -> None:
        """Sends a message behind the others, and waits until it is on its way.

        Args:
            message: What to send.
            weight: How many times its bytes are in memory meanwhile, with what was read for it and behind it.

        Raises:
            OverloadedError: Too much waits for slow clients already.
        """
        cost = len(message) * weight
        self._waiting.reserve(cost)
        await self._hand_over(self._events, message, cost)

    async def _hand_over(self, queue: deque[Any], message: bytes, cost: int) -> None:
        item = _Item(message, cost, asyncio.get_running_loop().create_future())
        queue.append(item)
        self._wake.set()
        try:
            await item.sent
        finally:
            if not item.begun:
                with suppress(ValueError):
                    queue.remove(item)
                self._waiting.give_back(cost)

    async def room(self) -> None:
        """Waits until few control messages wait."""
        await self._room.wait()

    async def flush(self) -> None:
        """Waits until nothing waits any more."""
        while self._control or self._events or self._since is not None:
            self._idle.clear()
            await self._idle.wait()

    def slow_since(self) -> float | None:
        """Since when (loop time) the worker has not taken a message; None: it takes them."""
        return self._since

    def cut(self) -> None:
        """The worker is too slow: ends `run` with an OverloadedError."""
        if self._task is not None:
            self._waiting.cut(self._task)

    async def run(self) -> None:
        """Sends, for as long as the call lives.

        Raises:
            OverloadedError: The worker was too slow, and is cut off.
        """
        self._task = asyncio.current_task()
        clock = asyncio.get_running_loop().time
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._control or self._events:
                item = (self._control or self._events).popleft()
                self._since = clock()
                if isinstance(item, bytes):
                    await self._waiting.send(self._context, item, 1, refuse=False)
                else:
                    await self._write(item)
                self._since = None
                if len(self._control) < _MOST_WAITING:
                    self._room.set()
            self._idle.set()

    async def _write(self, item: _Item) -> None:
        if item.sent.done():
            return  # who wanted to send it has left
        item.begun = True
        try:
            # Its bytes are counted already.
            await self._waiting.send(self._context, item.message, 0, refuse=False)
        finally:
            self._waiting.give_back(item.cost)
            if not item.sent.done():
                item.sent.set_result(None)
