"""What the proxy shall make fail, as a case says it, and what it has seen."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clients.conformance.harness.statuses import status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.rpc import status_pb2

ANY: Final = "any"
SESSION: Final = "AppendSession"
_KINDS: Final = ("refuse", "refuse_append", "lose_answer", "cut_after", "end_after", "silence", "delay", "clear")
_FAILING: Final = ("refuse", "refuse_append")
_ARGUMENTS: Final = frozenset(("method", "do", "times", "after", "reason", "retry_after", "code", "domain"))


@dataclass(slots=True)
class Fault:
    """What happens to the next calls of a method.

    Attributes:
        method: The method's name, or `any`.
        do: What happens.
        after: Messages of the server that are passed on first; of `delay`: seconds.
        left: How many calls (of `refuse_append`: appends) are still meant.
        status: What a call that is refused fails with.
    """

    method: str
    do: str
    after: float
    left: int
    status: status_pb2.Status | None = None


@dataclass(slots=True)
class Faults:
    """The faults of one case, and what has come through the proxy since it began.

    Attributes:
        calls: Calls that have begun, by method.
        appends: Appends that sessions have carried to the proxy, also those that it refused.
        cleared: Set when all faults are taken back: calls that are silent break then.
    """

    calls: Counter[str] = field(default_factory=Counter)
    appends: int = 0
    cleared: asyncio.Event = field(default_factory=asyncio.Event)
    _planned: list[Fault] = field(default_factory=list)

    def plan(self, said: Mapping[str, Any]) -> None:
        """Takes the body of a step `fault`.

        Raises:
            ValueError: It says what cannot be.
        """
        if unknown := set(said) - _ARGUMENTS:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        do = said.get("do")
        if do not in _KINDS:
            raise ValueError(f"a fault does one of {', '.join(_KINDS)}, not {do!r}")
        if do == "clear":
            self._planned.clear()
            cleared, self.cleared = self.cleared, asyncio.Event()
            cleared.set()
            return
        method = said.get("method", SESSION if do == "refuse_append" else ANY)
        found = None
        if do in _FAILING:
            found = status(
                reason=said.get("reason"),
                code=said.get("code"),
                domain=said.get("domain", "mink"),
                retry_after=said.get("retry_after"),
            )
        self._planned.append(Fault(method, do, said.get("after", 0), said.get("times", 1), found))

    def begin(self, method: str) -> Fault | None:
        """Counts a call that begins, and says what shall happen to it: the first fault planned for it that has calls left."""
        self.calls[method] += 1
        return self._take(lambda fault: fault.do != "refuse_append" and fault.method in (method, ANY))

    def append(self) -> status_pb2.Status | None:
        """Counts an append of a session, and says what it fails with; None: it passes."""
        self.appends += 1
        found = self._take(lambda fault: fault.do == "refuse_append")
        return None if found is None else found.status

    def _take(self, meant: Any) -> Fault | None:
        found = next((fault for fault in self._planned if meant(fault)), None)
        if found is not None:
            found.left -= 1
            if found.left <= 0:
                self._planned.remove(found)
        return found

    def seen(self, method: str | None) -> dict[str, int]:
        """The answer to `/seen`."""
        calls = self.calls.total() if method in (None, ANY) else self.calls[str(method)]
        return {"calls": calls, "appends": self.appends}
