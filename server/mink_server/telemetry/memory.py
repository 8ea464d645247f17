"""The memory of this process: how much it has, how much it may have, and whether that is nearly used up.

What clients have under way is counted and bounded; this is for what nobody can count: messages that gRPC is still receiving, and
memory that the allocator keeps. It gives back what is unused before it says that there is none left.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from pathlib import Path
from typing import Final

import structlog

from mink_server.telemetry import metrics

log = structlog.get_logger(__name__)

# Seconds between two looks: at memory that has a bound, and at memory that has none.
_LOOK_EVERY, _LOOK_SELDOM = 0.1, 5.0
# Seconds for which a look holds for those who ask: a loop that is busy with large messages looks late.
_FRESH: Final = 0.01
# Parts of what it may have: from the first on the memory is full, below the second it is not any more.
_FULL, _ENOUGH = 0.8, 0.7
# Seconds between two times that unused memory is given back: while it is full; and else, if it has grown by so many bytes.
_GIVE_BACK_EVERY, _GIVE_BACK_SELDOM, _GROWN = 2.0, 30.0, 64 * 1024 * 1024
# Seconds between two lines about it in the log.
_SAY_EVERY: Final = 10.0
# Where control groups say what they allow, version 2 and 1, as a process in a container sees it.
_GROUPS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_NO_LIMIT: Final = 1 << 60


def allowed_by_container() -> int:
    """Bytes that the container may have; 0 if there is no such bound, or no container."""
    for group in _GROUPS:
        try:
            text = group.read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _NO_LIMIT:
            return int(text)
    return 0


def used() -> int:
    """Bytes that this process has for itself; 0 where the system does not say."""
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_bytes().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGESIZE")


class Memory:
    """Watches over the memory of this process.

    Attributes:
        most: Bytes that it may have; 0: there is no bound.

    Args:
        most: Bytes that it may have; 0: what the container allows, if there is one.
    """

    def __init__(self, most: int = 0) -> None:
        self.most = most or allowed_by_container()
        self._full = False
        self._looked = 0.0
        self._given_back = time.monotonic()
        self._least = used()
        self._said = -_SAY_EVERY

    @property
    def full(self) -> bool:
        """Whether it has nearly all that it may have."""
        if self.most and time.monotonic() - self._looked > _FRESH:
            self._judge(used())
        return self._full

    async def watch(self) -> None:
        """Looks again and again, for as long as the server runs."""
        while True:
            await asyncio.sleep(_LOOK_EVERY if self.most else _LOOK_SELDOM)
            await self._look()

    async def _look(self) -> None:
        now = used()
        since = time.monotonic() - self._given_back
        # While it counts as full, also below the mark: what is unused must not keep callers out.
        near = bool(self.most) and (self._full or now >= self.most * _FULL)
        if (near and since > _GIVE_BACK_EVERY) or (now > self._least + _GROWN and since > _GIVE_BACK_SELDOM):
            await asyncio.to_thread(_give_back)
            self._given_back = time.monotonic()
            self._least = now = used()
        if self.most:
            self._judge(now)

    def _judge(self, now: int) -> None:
        self._looked = time.monotonic()
        full = now >= self.most * (_ENOUGH if self._full else _FULL)
        if full != self._full:
            self._full = full
            metrics.MEMORY_FULL.set(full)
            if full and self._looked - self._said > _SAY_EVERY:
                self._said = self._looked
                log.warning("memory is full: new calls are refused until there is some again", used=now, most=self.most)


def _give_back() -> None:
    """Gives unused memory back to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
