"""What a worker says, out of what the library knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration
from mink.v1 import projections_pb2 as pb

from mink_client.projection_status import RebuildMode
from mink_client.projections.applying import Fault, Poison
from mink_client.projections.policies import is_transient
from mink_client.reading import event_filter

if TYPE_CHECKING:
    from mink_client.projections.definition import Definition
    from mink_client.worker.status import Place

_LONGEST_MESSAGE: Final = 2000
_AGAIN: Final = 10.0
"""Seconds until a partition is tried again whose read model has a greater token, or that has failed in an unforeseen way."""
_MODES: Final = {RebuildMode.IN_PLACE: pb.IN_PLACE, RebuildMode.SIDE_BY_SIDE: pb.SIDE_BY_SIDE}


def hello(definition: Definition, worker: str, max_partitions: int) -> pb.Hello:
    """Who the worker is, and what it runs.

    Args:
        definition: The projection.
        worker: The worker's name, for people.
        max_partitions: How many partitions of a build it takes at most; 0: all.
    """
    found = pb.Hello(
        projection=definition.name,
        worker=worker,
        revision=definition.revision,
        partitions=definition.partitions,
        max_partitions=max_partitions,
        on_new_revision=_MODES[definition.on_new_revision],
        can_clear=definition.can_clear,
        can_switch=definition.can_switch,
    )
    filter_ = event_filter(definition.streams, definition.stream_prefixes, definition.categories, definition.types)
    if filter_.ByteSize():
        found.filter.CopyFrom(filter_)
    if definition.start == "end":
        found.from_end = True
    elif definition.start != "beginning":
        found.after_position = definition.start
    return found


def duration(seconds: float) -> Duration:
    """A time span.

    Args:
        seconds: How long.
    """
    found = Duration()
    found.FromNanoseconds(int(seconds * 1e9))
    return found


def handler_error(poison: Poison) -> pb.HandlerError:
    """What went wrong with an event."""
    return pb.HandlerError(
        position=poison.position,
        type=poison.type,
        stream=poison.stream,
        message=poison.message[:_LONGEST_MESSAGE],
        attempts=poison.attempts,
    )


def superseded(key: pb.LeaseKey) -> pb.Faulted:
    """The read model is claimed with a greater token than that of the lease."""
    message = "the read model was claimed with a greater token: is the log older than the read model?"
    return pb.Faulted(lease=key, error=pb.HandlerError(message=message, attempts=1), restart_after=duration(_AGAIN))


def unforeseen(key: pb.LeaseKey) -> pb.Faulted:
    """The lease ends, and nobody knows why."""
    return pb.Faulted(lease=key, error=pb.HandlerError(message="the worker has failed", attempts=1), restart_after=duration(_AGAIN))


def trouble(error: BaseException, definition: Definition, place: Place) -> Fault:
    """A failure that is no event's, and that the applier did not expect.

    Args:
        error: The failure.
        definition: The projection.
        place: Where it was.
    """
    passing = isinstance(error, Exception) and is_transient(error)
    return Fault(Poison.of(error, None, 1), definition.faults.restart_after(place, passing=passing))
