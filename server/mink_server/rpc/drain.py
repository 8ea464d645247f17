"""Tells calls without an end of their own (sessions, subscriptions) that the server is about to stop."""

from __future__ import annotations

import asyncio


class Drain:
    """Whether the server is about to stop."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """The server is about to stop."""
        self._begun.set()

    @property
    def begun(self) -> bool:
        """Whether it is."""
        return self._begun.is_set()

    async def wait(self) -> None:
        """Waits until it is."""
        await self._begun.wait()
