"""How many denials one caller may put into the audit log: who floods it must not hide what others were denied.

Each caller has its own lines a second for each reason. The names of the known are few, the addresses of the unknown are not: these
have a bound together as well. Calls that manage have bounds of their own, far larger, which the denials of others do not use up.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class _Lines(NamedTuple):
    """Lines a second: of one caller, and of all who are not known."""

    of_one: int
    of_unknown: int


_OTHERS: Final = _Lines(20, 200)
_MANAGING: Final = _Lines(200, 1000)
_MOST_CALLERS: Final = 2000
_REST: Final = "the rest"


class Bounds:
    """Lets lines through and counts the others.

    Args:
        tell: Is called about a second after something was left out, with the reason and how many.
    """

    def __init__(self, tell: Callable[[str, int], None]) -> None:
        self._tell = tell
        self._since = 0.0
        self._lines: dict[tuple[bool, str, str], int] = {}
        self._unknown: dict[bool, int] = {}
        self._left_out: dict[str, int] = {}

    def passes(self, reason: str, who: str, *, known: bool, managing: bool) -> bool:
        """Whether there may be one more line.

        Args:
            reason: Of the denial.
            who: The name of the caller; of one that is not known, the address.
            known: Whether it is a name.
            managing: Whether the call takes the role manage or admin.
        """
        now = time.monotonic()
        if now - self._since >= 1:
            self._since = now
            self._lines.clear()
            self._unknown.clear()
        most = _MANAGING if managing else _OTHERS
        key = (managing, reason, who)
        if key not in self._lines and len(self._lines) >= _MOST_CALLERS:
            key = (managing, reason, _REST)
        lines = self._lines[key] = self._lines.get(key, 0) + 1
        passes = lines <= most.of_one
        if passes and not known:
            unknown = self._unknown[managing] = self._unknown.get(managing, 0) + 1
            passes = unknown <= most.of_unknown
        if not passes:
            self._leave_out(reason)
        return passes

    def _leave_out(self, reason: str) -> None:
        if not self._left_out:
            # In a context of its own: the line counts many calls, and must not look like one of them.
            asyncio.get_running_loop().call_later(1, self._say, context=contextvars.Context())
        self._left_out[reason] = self._left_out.get(reason, 0) + 1

    def _say(self) -> None:
        left_out, self._left_out = self._left_out, {}
        for reason, count in left_out.items():
            self._tell(reason, count)
