"""The targets of a worker's projections: opened once for each projection, and closed at the end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from mink_client.projections.policies import is_transient
from mink_client.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mink_client.projections.target import Target

_log: Final = logging.getLogger("mink_client.worker")

_CLOSING: Final = 5.0
"""Seconds that a target may take to close."""


class Targets:
    """The targets of some projections, by their names."""

    def __init__(self, targets: Iterable[tuple[str, Target]]) -> None:
        self._targets = list(targets)
        self._opened: list[Target] = []

    async def open(self) -> None:
        """Opens them. What is away for the moment is waited for.

        Raises:
            Exception: What a target raises if it cannot be opened. A note says which projection's.
        """
        for projection, target in self._targets:
            try:
                await _open(target)
            except Exception as error:
                error.add_note(f"projection {projection}")
                raise
            self._opened.append(target)

    async def close(self) -> None:
        """Closes those that were opened."""
        for target in reversed(self._opened):
            try:
                async with asyncio.timeout(_CLOSING):
                    await target.close()
            except Exception as error:  # noqa: BLE001 - the others are closed as well
                _log.warning("a target was not closed: %s", type(error).__name__)
        self._opened.clear()


async def _open(target: Target) -> None:
    attempts = 0
    while True:
        try:
            await target.open()
        except Exception as error:
            if not is_transient(error):
                raise
            if attempts == 0:
                _log.warning("a target cannot be opened: %s; trying again", type(error).__name__)
            await asyncio.sleep(backoff(attempts))
            attempts += 1
        else:
            return
