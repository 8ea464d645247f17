"""The audit log: who managed what, and who was denied what. Its lines are written whatever the level of the log is.

Denials are bounded, each reason by itself, so that somebody who tries tokens all day neither fills a disk nor hides what others
were denied. What was left out is counted in a line of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from mink_server.core.access import ANYBODY
from mink_server.core.errors import UnauthenticatedError

if TYPE_CHECKING:
    from mink_server.core.errors import AccessError
    from mink_server.telemetry.call import Call

_LINES_A_SECOND: Final = 20
_LONGEST: Final = 500

_log: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(0))


def done(call: Call, stream: str, outcome: str) -> None:
    """Says that somebody managed something.

    Args:
        call: The call.
        stream: The stream that it was about; empty: none, or all.
        outcome: OK, or the reason of the error.
    """
    _write(call, call.identity.name, stream, outcome)


def denied(call: Call, error: AccessError, stream: str = "") -> None:
    """Says that somebody was denied something, unless there are too many such lines.

    Args:
        call: The call.
        error: Why.
        stream: The stream that it was about, if the error does not say.
    """
    bound = _bounds.setdefault(error.reason, _Bound(error.reason))
    if bound.passes():
        unknown = isinstance(error, UnauthenticatedError) and call.identity is ANYBODY
        _write(call, "unknown" if unknown else call.identity.name, error.stream or stream, error.reason, why=str(error)[:_LONGEST])


def _write(call: Call, identity: str, stream: str, outcome: str, **more: str) -> None:
    # Who watches the audit log looks for these; what every line of a call has, such as its trace, comes on top.
    _log.info(
        "audit",
        action=call.method.path.lstrip("/"),
        stream=stream[:_LONGEST],
        identity=identity,
        outcome=outcome,
        peer=call.peer,
        request_id=call.request_id,
        **more,
    )


class _Bound:
    """At most so many lines a second; counts the others."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._since = 0.0
        self._lines = 0
        self._left_out = 0

    def passes(self) -> bool:
        now = time.monotonic()
        if now - self._since >= 1:
            self._since, self._lines = now, 0
        self._lines += 1
        if self._lines <= _LINES_A_SECOND:
            return True
        self._left_out += 1
        if self._left_out == 1:
            asyncio.get_running_loop().call_later(1, self._tell)
        return False

    def _tell(self) -> None:
        _log.info("audit", action="denials left out", outcome=self._reason, left_out=self._left_out)
        self._left_out = 0


_bounds: Final[dict[str, _Bound]] = {}
