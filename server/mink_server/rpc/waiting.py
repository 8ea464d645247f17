"""What waits for clients: requests that arrive slowly, responses that are taken slowly. Both hold memory; neither may for long.

gRPC keeps a message that its client does not take until it does, or its connection ends; nothing of ours can take it back. Cutting
a call off frees what we hold for it (the message once more, and the page behind it), and its bytes stay counted until gRPC is done.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import grpc
import structlog

from mink_server.core.errors import FieldViolation, InvalidRequestError, OverloadedError
from mink_server.rpc.admission import refused
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Collection

    from mink_server.core.limits import Capacity
    from mink_server.telemetry.memory import Memory

log = structlog.get_logger(__name__)

_LOOK_EVERY: Final = 1.0
# Seconds that a client may take for sending its request, and for taking one message; and while others need the room.
_PATIENCE_RECEIVING, _PATIENCE_SENDING, _HURRY = 60.0, 300.0, 5.0
# Requests that are received at once: how large one is, nobody knows before it is there. One that takes longer than a look at all of
# them makes room for another: a slow network keeps nobody out.
_MOST_AT_ONCE: Final = 64
# Requests that wait for that, and for how many seconds. gRPC has a stream's first window of each.
_MOST_OUTSIDE, _PATIENCE_OUTSIDE = 1_000, 5.0


class Waiting:
    """Receives requests and sends messages, bounded in bytes and in time.

    Attributes:
        response_bytes: Memory held for messages that were not taken yet.

    Args:
        capacity: What may be under way.
        memory: The process's; while it is full, slow clients are cut off sooner.
    """

    def __init__(self, capacity: Capacity, memory: Memory) -> None:
        self._most = capacity.response_bytes
        self._memory = memory
        self.response_bytes = 0
        # Since when each task waits.
        self._receiving: dict[asyncio.Task[Any], float] = {}
        self._sending: dict[asyncio.Task[Any], float] = {}
        self._cut: set[asyncio.Task[Any]] = set()
        # Who is received, and who waits for it.
        self._inside: set[asyncio.Task[Any]] = set()
        self._next: deque[asyncio.Future[None]] = deque()
        metrics.RESPONSE_BYTES_IN_FLIGHT.set_function(lambda: self.response_bytes)

    async def receive(self, context: Any) -> bytes:
        """The request of a client that sends one, as bytes.

        Raises:
            InvalidRequestError: The client sent none.
            OverloadedError: It had to wait too long, or was cut off.
        """
        task = asyncio.current_task()
        assert task is not None
        if len(self._inside) >= _MOST_AT_ONCE:
            await self._wait_for_room()
        self._inside.add(task)
        self._receiving[task] = time.monotonic()
        try:
            request = await context.read()
        except asyncio.CancelledError:
            if not self._was_cut(task):
                raise
            raise OverloadedError("a request that did not arrive in time") from None
        finally:
            del self._receiving[task]
            self._make_room(task)
        if request is grpc.aio.EOF:
            raise InvalidRequestError([FieldViolation("", "a message must be sent")])
        return request  # type: ignore[no-any-return]

    async def _wait_for_room(self) -> None:
        if len(self._next) >= _MOST_OUTSIDE:
            raise refused("receiving", f"{_MOST_AT_ONCE} requests are received, and {_MOST_OUTSIDE} wait for that")
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.append(room)
        try:
            async with asyncio.timeout(_PATIENCE_OUTSIDE):
                await room
        except BaseException as error:
            if room.done() and not room.cancelled():
                self._let_in()  # who was let in does not come
            if isinstance(error, TimeoutError):
                raise refused("receiving", f"{_MOST_AT_ONCE} requests are received") from None
            raise

    def _make_room(self, task: asyncio.Task[Any]) -> None:
        """Somebody is inside no longer, if they were."""
        if task in self._inside:
            self._inside.remove(task)
            self._let_in()

    def _let_in(self) -> None:
        while self._next:
            room = self._next.popleft()
            if not room.done():
                room.set_result(None)
                return

    async def send(self, context: Any, message: bytes, weight: int, *, refuse: bool = True) -> None:
        """Sends a message, when the client has room for it.

        Args:
            context: The call.
            message: What to send.
            weight: How many times its bytes are in memory meanwhile, with what was read for it and behind it.
            refuse: Whether it may be refused; otherwise it is only counted.

        Raises:
            OverloadedError: Too much waits for slow clients already, or this one was cut off.
        """
        size = len(message)
        cost = size * weight
        if refuse:
            self.reserve(cost)
        else:
            self.response_bytes += cost
        task = asyncio.current_task()
        assert task is not None
        self._sending[task] = time.monotonic()
        try:
            await context.write(message)
        except asyncio.CancelledError:
            if not self._was_cut(task):
                raise
            self.response_bytes += size
            context.add_done_callback(lambda _: self.give_back(size))
            raise OverloadedError("a message that was not taken in time") from None
        finally:
            del self._sending[task]
            self.response_bytes -= cost

    def reserve(self, cost: int) -> None:
        """Counts memory for messages before they are sent; `give_back` must follow.

        Raises:
            OverloadedError: Too much waits for slow clients already.
        """
        if self.response_bytes + cost > self._most and self.response_bytes:
            raise refused("response_bytes", f"{self._most} bytes that clients have not taken")
        self.response_bytes += cost

    def give_back(self, cost: int) -> None:
        """What was reserved is in memory no longer."""
        self.response_bytes -= cost

    def cut(self, task: asyncio.Task[Any]) -> None:
        """Cuts off a call while one of its messages is sent by a task, which gets an OverloadedError."""
        if task in self._sending and task not in self._cut:
            self._cut_all([task], "sending")

    def _was_cut(self, task: asyncio.Task[Any]) -> bool:
        """Whether a cancellation was ours. If the client has left as well, it goes on."""
        if task not in self._cut:
            return False
        self._cut.remove(task)
        return not task.uncancel()

    async def watch(self) -> None:
        """Cuts off who is too slow, for as long as the server runs."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            for task in list(self._inside):
                if time.monotonic() - self._receiving.get(task, 0) > _LOOK_EVERY:
                    self._make_room(task)
            full = self._memory.full
            self._cut_off(self._receiving, "receiving", _HURRY if full else _PATIENCE_RECEIVING)
            full = full or self.response_bytes > self._most // 2
            self._cut_off(self._sending, "sending", _HURRY if full else _PATIENCE_SENDING)

    def _cut_off(self, waiting: dict[asyncio.Task[Any], float], doing: str, patience: float) -> None:
        longest = time.monotonic() - patience
        late = [task for task, since in waiting.items() if since < longest and task not in self._cut]
        if late:
            self._cut_all(late, doing)

    def _cut_all(self, late: Collection[asyncio.Task[Any]], doing: str) -> None:
        for task in late:
            self._cut.add(task)
            task.cancel()
        metrics.CUT_OFF.labels(doing).inc(len(late))
        log.warning("clients were too slow and are cut off", doing=doing, calls=len(late))
