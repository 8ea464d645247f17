"""Lets calls in while there is room, and only then receives their requests.

A call that is refused here has cost its metadata: gRPC has told its client to send no more than a stream's first window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from mink_server.rpc.admission import Admission
    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.rpc.waiting import Waiting
    from mink_server.telemetry.call import Method

# Operators look at a server that is full, too.
_OPERATORS: Final = "mink.v1.Operations"
# Bytes of a request up to which it is kept for whatever speaks about the call.
_SMALL: Final = 4096


class Limits:
    """Bounds the calls that are served, and the bytes of their requests.

    Args:
        admission: Who may come in.
        waiting: Receives requests.
    """

    def __init__(self, admission: Admission, waiting: Waiting) -> None:
        self._admission = admission
        self._receive = waiting.receive

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        admission, receive = self._admission, self._receive
        operator = method.service == _OPERATORS

        async def call(_: Any, context: Any) -> Any:
            admission.enter(operator=operator)
            size = 0
            try:
                request = await receive(context)
                if (current := CURRENT.get()) is not None:
                    current.received = 1
                admission.take(len(request), operator=operator)
                size = len(request)
                if size <= _SMALL and current is not None:
                    current.request = request
                return await behaviour(request, context)
            finally:
                admission.leave(size)

        async def streaming_call(request: Any, context: Any) -> Any:
            admission.enter(operator=operator)
            try:
                return await behaviour(request, context)
            finally:
                admission.leave()

        return streaming_call if method.kind in ("client_stream", "bidi_stream") else call
