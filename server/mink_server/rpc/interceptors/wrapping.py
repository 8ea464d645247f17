"""Puts something around the handler of a method, whatever kind of method it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Behaviour = Callable[[Any, Any], Awaitable[Any]]


def wrapped(handler: Any, wrap: Callable[[Behaviour], Behaviour]) -> Any:
    """A method's handler with its behaviour wrapped. Behaviours are coroutines; one that streams writes to its context.

    Methods of libraries that stream by yielding (reflection) are left as they are.
    """
    for kind in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
        behaviour = getattr(handler, kind)
        if behaviour is not None:
            make = getattr(grpc, f"{kind}_rpc_method_handler")
            return make(wrap(behaviour), handler.request_deserializer, handler.response_serializer)
    return handler


def is_ours(method: str) -> bool:
    """Whether a method, as /package.Service/Method, is one of Mink's own."""
    return method.startswith("/mink.")
