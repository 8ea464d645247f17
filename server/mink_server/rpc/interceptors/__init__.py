"""What happens around every call of Mink's own services. The order is written down here, outermost first.

1. calls: makes the call known to whatever speaks about it, so it stands outermost.
2. metrics: counts what a client sees.
3. tracing: makes a span of the call, with the status that a client sees.
4. access log: writes a line for the call at its end, within its span.
5. errors: turns what is raised further in into a status.
6. audit: writes down who managed what and who was denied what, from what is raised further in, before it is a status.
7. authentication: finds out who calls, before anything is done for them.
8. limits: lets calls in while there is room, and receives their requests: nothing is received for who is not known.
9. decoding: turns bytes into a message, after all that can refuse a call without looking at it.
10. authorization: checks what the caller may do, which takes the message, right before it is done.

Tracing and access log are there if they are on. Authentication and authorization are left out of a server that asks nobody who
they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mink_server.rpc.interceptors.access_log import AccessLog
from mink_server.rpc.interceptors.audit import Audit
from mink_server.rpc.interceptors.authentication import Authentication
from mink_server.rpc.interceptors.authorization import Authorization
from mink_server.rpc.interceptors.calls import Calls
from mink_server.rpc.interceptors.decoding import Decoding
from mink_server.rpc.interceptors.errors import Errors
from mink_server.rpc.interceptors.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Tracer

    from mink_server.core.access import Identities
    from mink_server.rpc.interceptors.limits import Limits
    from mink_server.rpc.interceptors.wrapping import Interceptor
    from mink_server.telemetry.call import Method


def interceptors(
    classes: Mapping[Method, Any],
    limits: Limits,
    identities: Identities | None = None,
    *,
    tracer: Tracer | None = None,
    access_log: bool = False,
) -> Sequence[Interceptor]:
    """All of them, outermost first.

    Args:
        classes: The class of each method's request.
        limits: Knows what there is room for.
        identities: Knows who calls; None: nobody is asked.
        tracer: Makes spans; None: there are no traces.
        access_log: Whether every call has a line in the log.
    """
    every: tuple[Interceptor | None, ...] = (
        Calls(),
        Metrics(),
        _tracing(tracer, classes),
        AccessLog() if access_log else None,
        Errors(),
        Audit(classes, denials=identities is not None),
        None if identities is None else Authentication(identities),
        limits,
        Decoding(classes),
        None if identities is None else Authorization(),
    )
    return [one for one in every if one is not None]


def _tracing(tracer: Tracer | None, classes: Mapping[Method, Any]) -> Interceptor | None:
    if tracer is None:
        return None
    from mink_server.rpc.interceptors.tracing import Tracing  # noqa: PLC0415 - loads OpenTelemetry: only who has traces pays for it

    return Tracing(tracer, classes)
