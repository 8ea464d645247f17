"""Turns the bytes of a request into its message.

gRPC would do it before anything of ours could see the call; here, what will be refused anyway costs nothing, and what cannot be
decoded is an INVALID_REQUEST like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from mink_server.core.errors import FieldViolation, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Method


class Decoding:
    """Decodes requests of methods whose client sends one.

    Args:
        classes: The class of each method's request.
    """

    def __init__(self, classes: Mapping[Method, Any]) -> None:
        self._classes = classes

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        if method.kind in ("client_stream", "bidi_stream"):
            return behaviour
        parse = self._classes[method].FromString

        async def call(request: bytes, context: Any) -> Any:
            try:
                message = parse(request)
            except DecodeError:
                raise InvalidRequestError([FieldViolation("", "is not a message that the protos describe")]) from None
            return await behaviour(message, context)

        return call
