"""What an interceptor is.

Interceptors are put around a method once, when the server is made, and not around every call: gRPC's own would cost each call a
handler, and a coroutine each, before it begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.telemetry.call import Method

# Serves a call: takes the request and the context. The request is nothing that can be used outside of Limits, which receives it;
# its bytes outside of Decoding; and nothing again if the client streams: then the context reads messages, as bytes.
# One that streams writes to its context.
Behaviour = Callable[[Any, Any], Awaitable[Any]]


class Interceptor(Protocol):
    """Puts something around a method."""

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """The behaviour with something around it, or as it is."""


def wrapped(method: Method, behaviour: Behaviour, interceptors: Sequence[Interceptor]) -> Behaviour:
    """A method's behaviour inside of interceptors, the first one outermost."""
    for interceptor in reversed(interceptors):
        behaviour = interceptor.around(method, behaviour)
    return behaviour
