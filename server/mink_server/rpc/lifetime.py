"""When a call without an end of its own (a session, a subscription) has to end: the server stops, or the call has reached its age.

Calls that begin anew from time to time find their way to servers that were added behind a load balancer.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import TYPE_CHECKING

from mink_server.core.errors import ShuttingDownError

if TYPE_CHECKING:
    from mink_server.rpc.drain import Drain


class Lifetime:
    """The life of one call, from now on.

    Args:
        drain: Says when the server is about to stop.
        age: Seconds that the call may live, give or take a tenth, so that not all end at once; 0: for ever.
    """

    def __init__(self, drain: Drain, age: float) -> None:
        self._drain = drain
        self._age = age
        self._end = time.monotonic() + age * random.uniform(0.9, 1.1) if age else math.inf  # noqa: S311 - no secret
        # Set by whoever has waited for the end: a timer may ring a little before the clock shows the time.
        self._passed = False

    @property
    def left(self) -> float:
        """Seconds until it has reached its age."""
        return self._end - time.monotonic()

    @property
    def over(self) -> ShuttingDownError | None:
        """What to end the call with, if it has to end."""
        if self._drain.begun:
            return ShuttingDownError()
        if self._passed or self.left <= 0:
            return ShuttingDownError(f"this call has reached its age ({self._age:g} s): call again", retry_after=0.0)
        return None

    async def wait(self) -> None:
        """Waits until it has to end."""
        try:
            async with asyncio.timeout(None if math.isinf(self._end) else max(self.left, 0)):
                await self._drain.wait()
        except TimeoutError:
            self._passed = True
