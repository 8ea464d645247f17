"""What a server says of projections, as the types of `projection_status`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mink.v1 import projections_pb2 as pb

from mink_client.projection_status import (
    Build,
    Filter,
    Observed,
    ParkedEvent,
    Partition,
    PartitionError,
    Projection,
    ProjectionState,
    RebuildMode,
    RebuildProgress,
    Worker,
)

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

_STATES: Final = {pb.ProjectionState.Value(state.name): state for state in ProjectionState if state is not ProjectionState.UNKNOWN}
_MODES: Final = {pb.RebuildMode.Value(mode.name): mode for mode in RebuildMode if mode is not RebuildMode.UNKNOWN}


def projection(message: pb.Projection) -> Projection:
    """A projection."""
    return Projection(
        name=message.name,
        state=_STATES.get(message.state, ProjectionState.UNKNOWN),
        checkpoint=message.checkpoint,
        head=message.head,
        lag_events=message.lag_events,
        lag=message.lag.ToTimedelta(),
        events_per_second=message.events_per_second,
        last_error=_error(message.last_error) if message.HasField("last_error") else None,
        parked_events=message.parked_events,
        created_at=_time(message.created_at),
        updated_at=_time(message.updated_at),
        live=_build(message.live),
        next=_build(message.next) if message.HasField("next") else None,
        workers=tuple(map(_worker, message.workers)),
        waiting_for=message.waiting_for,
    )


def observed(message: pb.WatchProjectionsResponse) -> Observed:
    """Projections at a moment."""
    return Observed(tuple(map(projection, message.projections)), _time(message.server_time))


def parked_event(message: pb.ParkedEvent) -> ParkedEvent:
    """An event that was set aside."""
    return ParkedEvent(
        position=message.position,
        stream=message.stream,
        version=message.version,
        type=message.type,
        event_id=message.event_id,
        partition=message.partition,
        message=message.message,
        attempts=message.attempts,
        parked_at=_time(message.parked_at),
        replaying=message.replaying,
    )


def mode_number(mode: RebuildMode | str) -> "pb.RebuildMode.ValueType":
    """A way to rebuild, as it is asked for.

    Raises:
        ValueError: There is none of that name.
    """
    wanted = next((number for number, known in _MODES.items() if known == mode), None)
    if wanted is None:
        raise ValueError(f"mode: {RebuildMode.IN_PLACE.value!r} or {RebuildMode.SIDE_BY_SIDE.value!r}, not {mode!r}")
    return wanted


def _build(message: pb.Build) -> Build:
    return Build(
        build=message.build,
        revision=message.revision,
        filter=_filter(message) if message.HasField("filter") else None,
        partitions=tuple(map(_partition, message.partitions)),
        rebuild=_progress(message.rebuild) if message.HasField("rebuild") else None,
    )


def _filter(message: pb.Build) -> Filter:
    chosen = message.filter
    return Filter(tuple(chosen.streams), tuple(chosen.stream_prefixes), tuple(chosen.categories), tuple(chosen.types))


def _progress(message: pb.RebuildProgress) -> RebuildProgress:
    return RebuildProgress(
        mode=_MODES.get(message.mode, RebuildMode.UNKNOWN),
        step=message.step,
        from_position=message.from_position,
        position=message.position,
        to_position=message.to_position,
        started_at=_time(message.started_at),
        time_left=message.time_left.ToTimedelta() if message.HasField("time_left") else None,
    )


def _partition(message: pb.Partition) -> Partition:
    return Partition(
        partition=message.partition,
        state=_STATES.get(message.state, ProjectionState.UNKNOWN),
        checkpoint=message.checkpoint,
        lag_events=message.lag_events,
        events_per_second=message.events_per_second,
        events=message.events,
        errors=message.errors,
        worker_id=message.worker_id,
        worker=message.worker,
        held_since=_time(message.held_since),
        last_error=_error(message.last_error) if message.HasField("last_error") else None,
        restarts_at=_time(message.restarts_at),
        updated_at=_time(message.updated_at),
    )


def _error(message: pb.PartitionError) -> PartitionError:
    return PartitionError(
        position=message.error.position,
        type=message.error.type,
        stream=message.error.stream,
        message=message.error.message,
        attempts=message.error.attempts,
        occurred_at=_time(message.occurred_at),
        partition=message.partition,
    )


def _worker(message: pb.Worker) -> Worker:
    return Worker(
        worker_id=message.worker_id,
        worker=message.worker,
        revision=message.revision,
        connected_at=_time(message.connected_at),
        seen_at=_time(message.seen_at),
        partitions=message.partitions,
    )


def _time(message: "Timestamp") -> datetime | None:
    """A time; None if it is not set. Nothing here is as old as the epoch."""
    return message.ToDatetime(UTC) if message.seconds or message.nanos else None
