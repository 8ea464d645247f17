"""The audit log: who managed what, and who was denied what. Its lines are written whatever the level of the log is.

Denials are bounded for each caller (`audit_bounds`), so that somebody who tries tokens all day neither fills a disk nor hides what
others were denied. What was left out is counted in a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from mink_server.core.access import ANYBODY
from mink_server.core.errors import UnauthenticatedError
from mink_server.telemetry.audit_bounds import Bounds

if TYPE_CHECKING:
    from mink_server.core.errors import AccessError
    from mink_server.telemetry.call import Call

_LONGEST: Final = 500

_log: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(0))


def done(call: Call, stream: str, outcome: str, *, projection: str = "") -> None:
    """Says that somebody managed something.

    Args:
        call: The call.
        stream: The stream that it was about; empty: none, or all.
        outcome: OK, or the reason of the error.
        projection: The projection that it was about; empty: none.
    """
    _write(call, call.identity.name, stream, outcome, **_named(projection))


def denied(call: Call, error: AccessError, stream: str = "", *, managing: bool = False, projection: str = "") -> None:
    """Says that somebody was denied something, unless they have too many such lines.

    Args:
        call: The call.
        error: Why.
        stream: The stream that it was about, if the error does not say.
        managing: Whether the call takes the role manage or admin.
        projection: The projection that it was about; empty: none.
    """
    known = not (isinstance(error, UnauthenticatedError) and call.identity is ANYBODY)
    # Without its port: a connection for each call makes nobody another caller.
    who = call.identity.name if known else call.peer.rpartition(":")[0]
    if _bounds.passes(error.reason, who, known=known, managing=managing):
        identity = call.identity.name if known else "unknown"
        _write(call, identity, error.stream or stream, error.reason, why=str(error)[:_LONGEST], **_named(projection))


def _named(projection: str) -> dict[str, str]:
    return {"projection": projection[:_LONGEST]} if projection else {}


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


def _left_out(reason: str, count: int) -> None:
    _log.info("audit", action="denials left out", outcome=reason, left_out=count)


_bounds: Final = Bounds(_left_out)
