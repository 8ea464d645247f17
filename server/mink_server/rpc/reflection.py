"""Server reflection, for grpcurl and its like.

The generated code lacks the names that fields have in JSON: grpcurl would print `first_position` where every other JSON form of the
protos says `firstPosition`. So Mink's own protos are described by what the proto compiler wrote beside the generated code, and the
protos of others, such as the details of errors, get these names here.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import grpc
    from google.protobuf.descriptor import FileDescriptor


class _Pool:
    """A pool that also finds the file of a method, which Python's own does not: `grpcurl describe mink.v1.EventStore.ReadAll`."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802  reflection asks for it by this name
        """The file that has a symbol; KeyError if there is none."""
        service, _, method = symbol.rpartition(".")
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            found = self._pool.FindServiceByName(service)
            return found.methods_by_name[method].containing_service.file


def _name_for_json(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    for message in messages:
        for field in message.field:
            first, *others = field.name.split("_")
            field.json_name = first + "".join(other[:1].upper() + other[1:] for other in others)
        _name_for_json(message.nested_type)


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    compiled = (resources.files("mink.v1") / "descriptors.binpb").read_bytes()
    for proto in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        pool.AddSerializedFile(proto.SerializeToString())
        added.add(proto.name)

    def add(file: FileDescriptor) -> None:
        if file.name not in added:
            added.add(file.name)
            for dependency in file.dependencies:
                add(dependency)
            proto = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)
            _name_for_json(proto.message_type)
            pool.AddSerializedFile(proto.SerializeToString())

    for module in (error_details_pb2, health_pb2, reflection_pb2):
        add(module.DESCRIPTOR)
    return pool


def enable(services: Sequence[str], server: grpc.aio.Server) -> None:
    """Serves reflection for services, by their full names."""
    reflection.enable_server_reflection(
        [*services, reflection.SERVICE_NAME], server, cast("descriptor_pool.DescriptorPool", _Pool(_pool()))
    )
