"""Writes a line into the log for every call, at its end. Never what was in its messages or its metadata."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog

from mink_server.rpc.interceptors.ending import code_of
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Call, Method

log = structlog.get_logger(__name__)


class AccessLog:
    """Says who called what, from where, how it ended and how long it took. Who and what come from `telemetry.logging`."""

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:  # noqa: ARG002 - the same for every method
        """See Interceptor."""

        async def call(request: Any, context: Any) -> Any:
            current = CURRENT.get()
            assert current is not None
            try:
                response = await behaviour(request, context)
            except BaseException as error:
                _write(current, error, 0)
                raise
            _write(current, None, 0 if response is None else 1)
            return response

        return call


def _write(call: Call, error: BaseException | None, answers: int) -> None:
    log.info(
        "call",
        code=code_of(call, error).name,
        **({"reason": call.reason} if call.reason else {}),
        peer=call.peer,
        duration_ms=round((time.perf_counter() - call.started) * 1000, 3),
        received=call.received,
        sent=call.sent + answers,  # the answer to a call that does not stream is counted when it has passed all interceptors
    )
