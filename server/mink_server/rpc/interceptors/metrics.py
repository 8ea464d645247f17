"""Counts calls, under the names that dashboards for gRPC expect."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import grpc
from prometheus_client import Counter, Histogram

from mink_server.rpc.interceptors.wrapping import is_ours, wrapped
from mink_server.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LABELS: Final = ("grpc_type", "grpc_service", "grpc_method")
_STARTED: Final = Counter("grpc_server_started", "Calls started.", _LABELS, registry=REGISTRY)
_HANDLED: Final = Counter("grpc_server_handled", "Calls ended, by status code.", (*_LABELS, "grpc_code"), registry=REGISTRY)
_SECONDS: Final = Histogram("grpc_server_handling_seconds", "Time from a call's start to its end.", _LABELS, registry=REGISTRY)
_NUMBERS: Final = {code.value[0]: code for code in grpc.StatusCode}


def _camel(code: grpc.StatusCode | int) -> str:
    """NOT_FOUND becomes NotFound: the spelling that other languages' servers report. The context gives a code or its number."""
    name = (code if isinstance(code, grpc.StatusCode) else _NUMBERS.get(code, grpc.StatusCode.UNKNOWN)).name
    return "".join(part.capitalize() for part in name.split("_"))


class Metrics(grpc.aio.ServerInterceptor):
    """Counts every call of Mink's own services, however it ends."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(details)
        if handler is None or not is_ours(details.method):
            return handler
        service, _, method = details.method[1:].partition("/")
        kind = {
            (False, False): "unary",
            (False, True): "server_stream",
            (True, False): "client_stream",
            (True, True): "bidi_stream",
        }[handler.request_streaming, handler.response_streaming]
        started = _STARTED.labels(kind, service, method)
        seconds = _SECONDS.labels(kind, service, method)

        def wrap(behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
            async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
                started.inc()
                begun = time.perf_counter()
                code = "OK"
                try:
                    return await behaviour(request, context)
                except asyncio.CancelledError:
                    code = "Canceled"
                    raise
                except BaseException:
                    code = _camel(context.code())
                    raise
                finally:
                    _HANDLED.labels(kind, service, method, code).inc()
                    seconds.observe(time.perf_counter() - begun)

            return call

        return wrapped(handler, wrap)
