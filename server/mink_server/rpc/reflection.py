"""Server reflection, for grpcurl and its like.

The generated code lacks the names that fields have in JSON: grpcurl would print `first_position` where every other JSON form of the
protos says `firstPosition`. So Mink's own protos are described by what the proto compiler wrote beside the generated code.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc
    from google.protobuf.descriptor import FileDescriptor


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
            pool.AddSerializedFile(file.serialized_pb)

    for module in (error_details_pb2, health_pb2, reflection_pb2):
        add(module.DESCRIPTOR)
    return pool


def enable(services: Sequence[str], server: grpc.aio.Server) -> None:
    """Serves reflection for services, by their full names."""
    reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], server, _pool())
