"""Counts calls and their messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import grpc

from mink_server.rpc.interceptors.ending import code_of
from mink_server.telemetry.call import CURRENT
from mink_server.telemetry.call_counts import CallCounts, counts_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Call, Method

# As other languages' servers spell them: NOT_FOUND is NotFound, and CANCELLED has one l.
_SPELLED: Final = {code: "".join(part.capitalize() for part in code.name.split("_")) for code in grpc.StatusCode} | {
    grpc.StatusCode.OK: "OK",
    grpc.StatusCode.CANCELLED: "Canceled",
}


class _Counting:
    """The context of a call that streams: counts the messages which pass it, as they pass."""

    __slots__ = ("_call", "_context", "_counts")

    def __init__(self, context: Any, call: Call, counts: CallCounts) -> None:
        self._context = context
        self._call = call
        self._counts = counts

    async def read(self) -> Any:
        message = await self._context.read()
        if message is not grpc.aio.EOF:
            self._call.received += 1
            self._counts.received += 1
        return message

    def write(self, message: Any) -> Awaitable[None]:
        self._call.sent += 1
        self._counts.sent += 1
        return self._context.write(message)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class Metrics:
    """Counts every call of Mink's own services, however it ends."""

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        counts = counts_of(method)
        handled = counts.handled
        streams = method.kind != "unary"

        def ended(current: Call, error: BaseException | None) -> None:
            code = code_of(current, error)
            handled[_SPELLED[code]] = handled.get(_SPELLED[code], 0) + 1
            counts.seconds.observe(time.perf_counter() - current.started)
            if not streams:
                counts.received += current.received
                counts.sent += code is grpc.StatusCode.OK

        async def call(request: Any, context: Any) -> Any:
            current = CURRENT.get()
            assert current is not None
            counts.started += 1
            if streams:
                context = _Counting(context, current, counts)
            try:
                response = await behaviour(request, context)
            except BaseException as error:
                ended(current, error)
                raise
            ended(current, None)
            return response

        return call
