"""The Snapshots service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mink.v1 import snapshots_pb2 as pb

from mink_server.rpc import checks, convert

if TYPE_CHECKING:
    from mink_server.core.limits import Limits
    from mink_server.core.log import Log


class Snapshots:
    """Serves the snapshots of one log.

    Args:
        log: The log.
        bounds: What a snapshot may hold.
    """

    def __init__(self, log: Log, bounds: Limits) -> None:
        self._log = log
        self._bounds = bounds

    async def SaveSnapshot(self, request: pb.SaveSnapshotRequest, _context: object) -> pb.SaveSnapshotResponse:  # noqa: N802
        """See the proto."""
        saved, version = await self._log.snapshots.save(convert.snapshot_to_save(request, self._bounds))
        return pb.SaveSnapshotResponse(saved=saved, version=version)

    async def LoadSnapshot(self, request: pb.LoadSnapshotRequest, _context: object) -> pb.LoadSnapshotResponse:  # noqa: N802
        """See the proto."""
        snapshot = await self._log.snapshots.load(checks.stream_name(request))
        return pb.LoadSnapshotResponse(snapshot=convert.snapshot_message(snapshot))

    async def DeleteSnapshot(self, request: pb.DeleteSnapshotRequest, _context: object) -> pb.DeleteSnapshotResponse:  # noqa: N802
        """See the proto."""
        return pb.DeleteSnapshotResponse(version=await self._log.snapshots.delete(checks.stream_name(request)))
