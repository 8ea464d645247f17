"""Which partitions are still faulted: the server knows, also when another worker took them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from mink.v1.projections_pb2 import FAULTED, GetProjectionRequest

if TYPE_CHECKING:
    from mink_client.channel import Connection
    from mink_client.worker.status import Place


async def still_faulted(connection: Connection, projection: str, timeout: float) -> set[Place] | None:
    """The partitions of a projection that are faulted now; None if the server does not say.

    Args:
        connection: The server.
        projection: The projection's name.
        timeout: Seconds that the server may take.
    """
    request = GetProjectionRequest(projection=projection)
    try:
        found = (await connection.projections.GetProjection(request, timeout=timeout)).projection
    except grpc.aio.AioRpcError:
        return None  # a worker may not be allowed to ask
    builds = [found.live, found.next]
    return {(build.build, part.partition) for build in builds for part in build.partitions if part.state == FAULTED}
