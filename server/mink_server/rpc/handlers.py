"""Handlers for one service's methods, from an object that has a coroutine of each method's name.

A method returns messages or finished bytes: what is bytes already is sent as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import message_factory

from mink_server.rpc.interceptors.wrapping import wrapped
from mink_server.telemetry.call import Method

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

    from mink_server.rpc.interceptors.wrapping import Interceptor


def _serialize(message: Any) -> bytes:
    return message if type(message) is bytes else message.SerializeToString()


def method_of(method: MethodDescriptor) -> Method:
    """A method, from the generated code."""
    kind = {
        (False, False): "unary",
        (False, True): "server_stream",
        (True, False): "client_stream",
        (True, True): "bidi_stream",
    }[method.client_streaming, method.server_streaming]
    return Method(method.containing_service.full_name, method.name, kind)


def request_classes(services: Iterable[ServiceDescriptor]) -> dict[Method, Any]:
    """The class of the request of every method of services."""
    return {method_of(m): message_factory.GetMessageClass(m.input_type) for service in services for m in service.methods}


def generic_handler(
    service: ServiceDescriptor, implementation: object, interceptors: Sequence[Interceptor]
) -> grpc.GenericRpcHandler:
    """The handler of a service.

    Args:
        service: The service, from the generated code.
        implementation: Has a method for every method of the service, named the same, that takes the request (or, if the client
            streams, anything: it reads bytes from the context) and the context.
        interceptors: What happens around every call, outermost first. One of them receives the request of a client that sends one.
    """
    handlers: dict[str, Any] = {}
    for method in service.methods:
        # For gRPC every client streams: only then it leaves it to us when a request is received. The wire is the same.
        make = grpc.stream_stream_rpc_method_handler if method.server_streaming else grpc.stream_unary_rpc_method_handler
        handlers[method.name] = make(
            wrapped(method_of(method), getattr(implementation, method.name), interceptors), response_serializer=_serialize
        )
    return grpc.method_handlers_generic_handler(service.full_name, handlers)
