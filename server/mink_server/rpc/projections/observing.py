"""Looking at projections as they are, for all who watch them at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.core.projections.model import Observed
    from mink_server.core.projections.port import Control

# Seconds for which what was seen counts as how it is.
FRESH: Final = 0.2


class Observing:
    """Reads projections from the database, at most a few times a second however many ask.

    Args:
        control: Reads them.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._looks: dict[str, tuple[float, asyncio.Task[Sequence[Observed]]]] = {}

    async def look(self, projection: str) -> Sequence[Observed]:
        """One projection, or all if it is empty, as they were a moment ago.

        Raises:
            ProjectionNotFoundError: There is none of that name.
        """
        now = time.monotonic()
        for name in [name for name, (at, look) in self._looks.items() if look.done() and at + FRESH < now]:
            del self._looks[name]
        if projection not in self._looks:
            look = asyncio.create_task(self._read(projection), name="mink-projections-look")
            look.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may be that nobody waits any more
            self._looks[projection] = now, look
        return await asyncio.shield(self._looks[projection][1])

    async def _read(self, projection: str) -> Sequence[Observed]:
        return [await self._control.get(projection)] if projection else await self._control.list()
