"""Makes a span of every call, below its caller's.

OpenTelemetry's own interceptor does not know how calls end that are aborted with details, cancelled or past their deadline
(docs/decisions/0009).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.context import attach, set_value
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span, set_span_in_context

from mink_server.rpc.interceptors.ending import code_of
from mink_server.telemetry.call import CURRENT
from mink_server.telemetry.spans import CONTINUED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Tracer

    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Call, Method

# What OpenTelemetry wants to count as an error of a server's span. The others are the caller's doing.
_ERRORS: Final = (
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
)
# Calls without an end of their own. Nothing is put below their spans: a trace must not grow for as long as somebody follows.
_LONG: Final = ("AppendSession", "SubscribeAll", "Run", "WatchProjections")
# Of a request that is larger than this, the stream is not looked up: it would have to be decoded once more.
_LARGE: Final = 64 * 1024
_LONGEST_NAME: Final = 500


class Tracing:
    """Makes spans.

    Args:
        tracer: Makes them in earnest.
        classes: The class of each method's request.
    """

    def __init__(self, tracer: Tracer, classes: Mapping[Method, Any]) -> None:
        self._tracer = tracer
        self._classes = classes

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        start = self._tracer.start_span
        name = method.path[1:]
        attributes = {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}
        long = method.name in _LONG
        request_class = self._classes[method]
        parse = request_class.FromString if "stream" in request_class.DESCRIPTOR.fields_by_name else None

        async def call(request: Any, context: Any) -> Any:
            current = CURRENT.get()
            assert current is not None
            parent = extract(current.metadata)
            span = start(name, parent, SpanKind.SERVER, attributes)
            current.span = span
            if not long:
                # Each call is served in a task of its own, so nothing has to be put back.
                continued = get_current_span(parent).get_span_context().is_valid
                attach(set_value(CONTINUED, continued, set_span_in_context(span, parent)))
            if not span.is_recording():
                return await behaviour(request, context)
            span.set_attributes(_peer(current.peer))
            try:
                response = await behaviour(request, context)
            except BaseException as error:
                _end(span, current, error, parse)
                raise
            _end(span, current, None, parse)
            return response

        return call


def _end(span: Span, call: Call, error: BaseException | None, parse: Any) -> None:
    code = code_of(call, error)
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if call.reason:
        span.set_attribute("mink.reason", call.reason)
    if parse is not None and 0 < len(call.request) <= _LARGE:
        with suppress(DecodeError):
            span.set_attribute("mink.stream", parse(call.request).stream[:_LONGEST_NAME])
    else:
        span.set_attributes({"mink.messages.received": call.received, "mink.messages.sent": call.sent})
    if code in _ERRORS:
        span.set_attribute("error.type", code.name)
        span.set_status(Status(StatusCode.ERROR, call.reason or code.name))
    span.end()


def _peer(peer: str) -> dict[str, str | int]:
    """A client's address, from gRPC's ipv4:10.0.0.7:51234, ipv6:%5B::1%5D:51234 or unix:/path."""
    kind, _, address = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return {"network.transport": "unix"} if kind == "unix" else {}
    host, _, port = address.rpartition(":")
    host = host.replace("%5B", "").replace("%5D", "").strip("[]")
    found: dict[str, str | int] = {"network.peer.address": host, "network.type": kind}
    if port.isdecimal():
        found["network.peer.port"] = int(port)
    return found
