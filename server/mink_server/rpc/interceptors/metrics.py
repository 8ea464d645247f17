"""Counts calls, under the names that dashboards for gRPC expect."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import grpc
from prometheus_client import Counter, Histogram

from mink_server.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Method

_LABELS: Final = ("grpc_type", "grpc_service", "grpc_method")
_STARTED: Final = Counter("grpc_server_started", "Calls started.", _LABELS, registry=REGISTRY)
_HANDLED: Final = Counter("grpc_server_handled", "Calls ended, by status code.", (*_LABELS, "grpc_code"), registry=REGISTRY)
_SECONDS: Final = Histogram("grpc_server_handling_seconds", "Time from a call's start to its end.", _LABELS, registry=REGISTRY)
_NUMBERS: Final = {code.value[0]: code for code in grpc.StatusCode}


def _camel(code: grpc.StatusCode | int) -> str:
    """NOT_FOUND becomes NotFound: the spelling that other languages' servers report. The context gives a code or its number."""
    name = (code if isinstance(code, grpc.StatusCode) else _NUMBERS.get(code, grpc.StatusCode.UNKNOWN)).name
    return "".join(part.capitalize() for part in name.split("_"))


class Metrics:
    """Counts every call of Mink's own services, however it ends."""

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        labels = (method.kind, method.service, method.name)
        started = _STARTED.labels(*labels)
        seconds = _SECONDS.labels(*labels)

        async def call(request: Any, context: Any) -> Any:
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
                _HANDLED.labels(*labels, code).inc()
                seconds.observe(time.perf_counter() - begun)

        return call
