"""What has come under one lease and is not handled yet. Bounded: the server sends only so much before it is handled."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from mink_client.events import RecordedEvent
from mink_client.worker.call import BrokenProtocol

if TYPE_CHECKING:
    from mink.v1 import projections_pb2

_MOST_TOGETHER: Final = 4
"""Messages that are applied together at most."""
_ENOUGH_EVENTS: Final = 2_000
"""Events with which an apply takes no further message: meanwhile the server sends the next ones."""
_MOST_WAITING: Final = 64
"""Messages with events that may wait. The server sends four."""
_MOST_REPLAYS: Final = 2_000


class Intake:
    """A lease's queue. One task takes from it; what adds to it never waits.

    Attributes:
        reached: Everything up to this position has come.
        closed: Nothing more is taken in: the lease ends.
    """

    def __init__(self) -> None:
        self.reached = 0
        self.closed = False
        self._batches: deque[projections_pb2.Events] = deque()
        self._replays: deque[RecordedEvent] = deque()
        self._news = asyncio.Event()

    # What comes.

    def events(self, message: projections_pb2.Events) -> None:
        """Events are to be handled.

        Raises:
            BrokenProtocol: More come than the server may send.
        """
        if len(self._batches) >= _MOST_WAITING:
            raise BrokenProtocol("it sends more events than it may before they are handled")
        if self.closed:
            return  # the checkpoint must not pass what is dropped
        if message.events:
            self._batches.append(message)
        self.reach(message.position)

    def reach(self, position: int) -> None:
        """There is nothing but what has come, up to a position."""
        if not self.closed:
            self.reached = max(self.reached, position)
            self._news.set()

    def replay(self, event: RecordedEvent) -> None:
        """A parked event is to be tried again.

        Raises:
            BrokenProtocol: More come than can be asked for.
        """
        if len(self._replays) >= _MOST_REPLAYS:
            raise BrokenProtocol("it replays more events than it may")
        if not self.closed:
            self._replays.append(event)
            self._news.set()

    def close(self) -> None:
        """Takes nothing more in."""
        self.closed = True
        self._news.set()

    # What is taken.

    @property
    def has_events(self) -> bool:
        """Whether events wait."""
        return bool(self._batches)

    def next_replay(self) -> RecordedEvent | None:
        """The next event that is to be tried again; None: there is none."""
        return self._replays.popleft() if self._replays else None

    def together(self) -> tuple[list[RecordedEvent], int]:
        """What is applied together next, and the position up to which that is everything. There must be events."""
        events: list[RecordedEvent] = []
        position = 0
        for _ in range(min(_MOST_TOGETHER, len(self._batches))):
            message = self._batches.popleft()
            events += map(RecordedEvent, message.events)
            position = message.position
            if len(events) >= _ENOUGH_EVENTS:
                break
        return events, position if self._batches else max(position, self.reached)

    async def wait(self, timeout: float | None) -> None:
        """Waits until something has come since it was last waited.

        Args:
            timeout: Seconds after which it waits no longer; None: as long as it takes.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()
