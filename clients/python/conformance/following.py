"""The subscriptions of a case."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from conformance import told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mink_client import RecordedEvent, Subscription

_PATIENCE: Final = 20.0
_LOOK: Final = 0.01


class TooLate(Exception):  # noqa: N818 - it says what happened
    """What a step waits for has not come in its time."""


class Followed:
    """A subscription, from which events are taken one by one.

    The event that is waited for is kept when a step ends before it comes: to break off the waiting would break off the call.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._iterator: AsyncIterator[RecordedEvent] = aiter(subscription)
        self._pending: asyncio.Task[RecordedEvent] | None = None

    async def next(self, count: int) -> dict[str, Any]:
        """Takes events."""
        found: list[dict[str, Any]] = []
        end = time.monotonic() + _PATIENCE
        while len(found) < count:
            if not await self._came(end):
                raise TooLate(f"{len(found)} of {count} events came within {_PATIENCE:g} s: {found[-3:]}")
            found.append(await self._take())
        return {"events": found, "position": self._subscription.position}

    async def caught_up(self) -> dict[str, Any]:
        """Takes messages until the subscription has caught up."""
        found: list[dict[str, Any]] = []
        end = time.monotonic() + _PATIENCE
        while not (self._subscription.caught_up and not self._is_there()):
            if await self._came(min(end, time.monotonic() + _LOOK)):
                found.append(await self._take())
            elif time.monotonic() > end:
                raise TooLate(f"not caught up within {_PATIENCE:g} s, after {len(found)} events")
        about = self._subscription
        return {"events": found, "position": about.position, "head": about.head, "log_id": about.log_id}

    async def quiet(self, seconds: float) -> dict[str, Any]:
        """Waits for events that are not to come.

        Raises:
            TooLate: One came.
        """
        if await self._came(time.monotonic() + seconds):
            raise TooLate(f"an event came, where none was to come for {seconds:g} s: {await self._take()}")
        return {"position": self._subscription.position}

    async def ended(self) -> dict[str, Any]:
        """Takes events until the subscription fails, which is raised."""
        found: list[dict[str, Any]] = []
        end = time.monotonic() + _PATIENCE
        while await self._came(end):
            found.append(await self._take())
        raise TooLate(f"the subscription did not end within {_PATIENCE:g} s, after {len(found)} events")

    async def close(self) -> None:
        """Ends the subscription."""
        self._subscription.close()
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)
            self._pending = None

    def _is_there(self) -> bool:
        return self._pending is not None and self._pending.done()

    async def _came(self, end: float) -> bool:
        """Waits for the next event, or for the subscription's end; false: neither came in time."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(_next(self._iterator))
        done, _ = await asyncio.wait([self._pending], timeout=max(end - time.monotonic(), 0))
        return bool(done)

    async def _take(self) -> dict[str, Any]:
        assert self._pending is not None
        pending, self._pending = self._pending, None
        try:
            return told.event(await pending)
        except Exception:
            self._iterator = aiter(self._subscription)  # one that has failed gives nothing any more
            raise


async def _next(iterator: AsyncIterator[RecordedEvent]) -> RecordedEvent:
    return await anext(iterator)
