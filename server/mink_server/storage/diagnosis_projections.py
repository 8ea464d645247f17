"""What `mink diagnose` says about projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mink_server.core.projections.model import State
from mink_server.core.projections.state import lag_of, state_of, waiting_for
from mink_server.storage.diagnosis import Finding, failed, ok, timed, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from mink_server.core.log import Check
    from mink_server.core.projections.model import Observed

LAG_SECONDS: Final = 300
_MOST_NAMES: Final = 5


def projections_check(look: Callable[[], Coroutine[Any, Any, Sequence[Observed]]]) -> Callable[[], Coroutine[Any, Any, Check]]:
    """The check of projections; `look` answers with all of them."""

    async def check() -> Check:
        async def judge() -> Finding:
            return finding(await look())

        return await timed("projections", judge)

    return check


def finding(projections: Sequence[Observed]) -> Finding:
    """What to say about projections: the worst, with names."""
    named: dict[str, list[str]] = {}
    for observed in projections:
        named.setdefault(_trouble(observed), []).append(observed.row.name)
    for trouble, (judge, message, recommendation) in _FINDINGS.items():
        if trouble in named:
            return judge(message.format(_names(named[trouble])), recommendation)
    paused = sum(observed.row.paused for observed in projections)
    return ok(f"{len(projections)} projection(s)" + (f", {paused} paused" if paused else ""))


def _trouble(observed: Observed) -> str:
    state = state_of(observed.row, observed.now)
    if state is State.PAUSED:
        return ""
    if state is State.FAULTED:
        return "faulted"
    if waiting_for(observed.row, observed.now):
        return "waiting"
    if state is State.STOPPED:
        return "stopped"
    return "behind" if lag_of(observed).total_seconds() > LAG_SECONDS else ""


# What is told first comes first.
_FINDINGS: Final = {
    "faulted": (failed, "faulted: {}", "`mink projection status NAME` says why; then `mink projection restart NAME`"),
    "stopped": (warning, "no worker runs {}", "start one: `mink worker run MODULE:NAME`; or delete the projection"),
    "waiting": (warning, "no worker that is connected fits {}", "`mink projection status NAME` says what it waits for"),
    "behind": (warning, f"more than {LAG_SECONDS // 60} min behind: {{}}", "see how long its worker takes for an event"),
}


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
