"""What the server says to a worker, as finished bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mink.v1 import projections_pb2 as pb

from mink_server.core.projections.model import Task
from mink_server.wire import block, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.core.projections.model import Grant, Lease

_TASKS: Final = {Task.HANDLE: pb.HANDLE_EVENTS, Task.CLEAR: pb.CLEAR, Task.SWITCH: pb.SWITCH}
# Tags of RunResponse.
_EVENTS, _PROGRESS, _REPLAY = b"\x22", b"\x2a", b"\x42"


def key(lease: Lease) -> bytes:
    """A LeaseKey."""
    return number(b"\x08", lease.build) + number(b"\x10", lease.partition) + number(b"\x18", lease.token)


def events(frames: Sequence[bytes], position: int, lease: bytes) -> bytes:
    """Events: their frames are elements of it already. `lease` is its key."""
    return block(_EVENTS, b"".join((*frames, number(b"\x10", position), block(b"\x1a", lease))))


def progress(position: int, lease: bytes, *, caught_up: bool) -> bytes:
    """Nothing new up to a position."""
    return block(_PROGRESS, block(b"\x0a", lease) + number(b"\x10", position) + number(b"\x18", caught_up))


def replay(frame: bytes, lease: bytes) -> bytes:
    """A parked event; its frame is an element of Events."""
    return block(_REPLAY, block(b"\x0a", lease) + b"\x12" + frame[1:])


def welcome(worker: str, lease: float, log_id: str) -> bytes:
    """The worker is known; `lease` in seconds."""
    message = pb.RunResponse(welcome=pb.Welcome(worker_id=worker, log_id=log_id))
    message.welcome.lease.FromNanoseconds(int(lease * 1e9))
    message.welcome.heartbeat_interval.FromNanoseconds(int(lease / 5 * 1e9))
    return message.SerializeToString()


def heartbeat(head: int) -> bytes:
    """The leases were renewed."""
    return pb.RunResponse(heartbeat=pb.ServerHeartbeat(head=head)).SerializeToString()


def assigned(grant: Grant) -> bytes:
    """A lease."""
    return pb.RunResponse(
        assigned=pb.Assigned(
            lease=_key(grant.lease),
            task=_TASKS[grant.task],
            checkpoint=grant.checkpoint,
            partitions=grant.partitions,
            live=grant.live,
            live_build=grant.live_build,
        )
    ).SerializeToString()


def revoked(lease: Lease, *, lost: bool) -> bytes:
    """A lease ends, or has ended."""
    return pb.RunResponse(revoked=pb.Revoked(lease=_key(lease), lost=lost)).SerializeToString()


def parked(lease: Lease, position: int) -> bytes:
    """An event is set aside."""
    return pb.RunResponse(parked=pb.Parked(lease=_key(lease), position=position)).SerializeToString()


def _key(lease: Lease) -> pb.LeaseKey:
    return pb.LeaseKey(build=lease.build, partition=lease.partition, token=lease.token)
