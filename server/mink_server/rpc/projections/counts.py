"""What workers have handled, as metrics. Only projections that a worker runs have a series, and not for ever."""

from __future__ import annotations

import time
from typing import Final

from mink_server.telemetry import metrics

# Seconds after which a projection that no worker has run here is forgotten.
_FORGET_AFTER: Final = 3600.0


class Counts:
    """Counts by projection."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}

    def use(self, projection: str) -> None:
        """A worker runs it here."""
        if projection not in self._used:
            metrics.PROJECTION_EVENTS.add(projection, 0)
            metrics.PROJECTION_ERRORS.add(projection, 0)
        self._used[projection] = time.monotonic()

    def handled(self, projection: str, events: int, errors: int, took: float) -> None:
        """Events were handled, in as many seconds, and handlers have failed."""
        if projection not in self._used:
            return
        metrics.PROJECTION_EVENTS.add(projection, events)
        metrics.PROJECTION_ERRORS.add(projection, errors)
        if events:
            metrics.PROJECTION_SECONDS.observe(projection, took)

    def forget(self, projection: str) -> None:
        """It was deleted."""
        if self._used.pop(projection, None) is not None:
            for metric in (metrics.PROJECTION_EVENTS, metrics.PROJECTION_ERRORS, metrics.PROJECTION_SECONDS):
                metric.forget(projection)

    def forget_old(self) -> None:
        """Forgets projections that nobody has run here for long."""
        longest = time.monotonic() - _FORGET_AFTER
        for projection in [name for name, at in self._used.items() if at < longest]:
            self.forget(projection)
