"""Handlers for one service's methods, from an object that has a coroutine of each method's name.

A method returns messages or finished bytes: what is bytes already is sent as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import message_factory

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor


def _serialize(message: Any) -> bytes:
    return message if type(message) is bytes else message.SerializeToString()


def generic_handler(service: ServiceDescriptor, implementation: object) -> grpc.GenericRpcHandler:
    """The handler of a service.

    Args:
        service: The service, from the generated code.
        implementation: Has a method for every method of the service, named the same, that takes the request (or, if the client
            streams, an iterator) and the context.
    """
    handlers = {}
    for method in service.methods:
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[method.client_streaming, method.server_streaming]
        handlers[method.name] = make(
            getattr(implementation, method.name),
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=_serialize,
        )
    return grpc.method_handlers_generic_handler(service.full_name, handlers)
