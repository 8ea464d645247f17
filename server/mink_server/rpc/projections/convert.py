"""Projections as messages, and errors of handlers as the core's values."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.duration_pb2 import Duration
from mink.v1 import event_store_pb2
from mink.v1 import projections_pb2 as pb

from mink_server.core import limits
from mink_server.core.projections import state
from mink_server.core.projections.model import HandlerError, Phase, RebuildMode
from mink_server.rpc.convert import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mink_server.core.access import Identity
    from mink_server.core.filters import EventFilter
    from mink_server.core.projections.model import (
        BuildRow,
        Observed,
        OccurredError,
        ParkedEvent,
        PartitionRow,
        ProjectionRow,
        State,
    )
    from mink_server.rpc.checks import Problems

MODES: Final = {
    pb.REBUILD_MODE_UNSPECIFIED: RebuildMode.IN_PLACE,
    pb.IN_PLACE: RebuildMode.IN_PLACE,
    pb.SIDE_BY_SIDE: RebuildMode.SIDE_BY_SIDE,
}
_STEPS: Final = {
    Phase.CLEARING: "clearing",
    Phase.FOLLOWING: "replaying",
    Phase.OVERTAKING: "overtaking",
    Phase.SWITCHING: "switching",
}
# So many attempts are told of one error at most: sums of them must fit into what Postgres has.
_MOST_ATTEMPTS: Final = 1_000_000
# A rebuild that would take longer is not said to end at all.
_LONGEST_LEFT: Final = timedelta(days=3650)


def mode(problems: Problems, field: str, given: Any) -> RebuildMode:
    """How to rebuild; IN_PLACE if it is not said."""
    if given not in MODES:
        problems.add(field, "must be IN_PLACE or SIDE_BY_SIDE")
    return MODES.get(given, RebuildMode.IN_PLACE)


def handler_error(given: Any) -> HandlerError:
    """What a worker tells of a handler that failed. What is too long is cut: it must not keep a worker from telling it."""
    return HandlerError(
        position=max(given.position, 0),
        type=_text(given.type, limits.MAX_TYPE_NAME),
        stream=_text(given.stream, limits.MAX_STREAM_NAME),
        message=_text(given.message, limits.MAX_ERROR_TEXT),
        attempts=min(max(given.attempts, 0), _MOST_ATTEMPTS),
    )


def _text(given: str, longest: int) -> str:
    """A text that Postgres takes."""
    kept = given if len(given) <= longest else given[: longest - 1] + "…"
    return kept.replace("\x00", "\ufffd")


def projections(observed: Sequence[Observed], identity: Identity) -> list[pb.Projection]:
    """Projections as they are sent to somebody."""
    return [projection(one, identity) for one in observed]


def projection(observed: Observed, identity: Identity) -> pb.Projection:
    """A projection as it is sent to somebody: what a handler said of a stream that they do not reach is left out."""
    row, now, head = observed.row, observed.now, observed.head
    live = row.live
    checkpoint = state.checkpoint_of(live)
    message = pb.Projection(
        name=row.name,
        state=_state(state.state_of(row, now)),
        checkpoint=checkpoint,
        head=head,
        lag_events=max(head - checkpoint, 0),
        lag=duration(state.lag_of(observed)),
        events_per_second=_rate(live, now),
        last_error=_error(state.last_error(row), identity),
        parked_events=row.parked,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(max(partition.updated_at for partition in live.partitions)),
        live=_build(observed, live, identity),
        waiting_for=state.waiting_for(row, now),
    )
    if row.next is not None:
        message.next.CopyFrom(_build(observed, row.next, identity))
    builds = [live] if row.next is None else [live, row.next]
    holders = [partition.worker for build in builds for partition in build.partitions if partition.held(now)]
    for worker in row.workers:
        if worker.seen_until > now:
            message.workers.add(
                worker_id=worker.worker,
                worker=worker.name,
                revision=worker.revision,
                connected_at=timestamp(worker.connected_at),
                seen_at=timestamp(worker.seen_at),
                partitions=holders.count(worker.worker),
            )
    return message


def parked_event(event: ParkedEvent) -> pb.ParkedEvent:
    """A parked event as it is sent."""
    return pb.ParkedEvent(
        position=event.position,
        stream=event.stream,
        version=event.version,
        type=event.type,
        event_id=event.event_id,
        partition=event.partition,
        message=event.message,
        attempts=event.attempts,
        parked_at=timestamp(event.parked_at),
        replaying=event.replaying,
    )


def filter_message(where: EventFilter | None) -> event_store_pb2.EventFilter | None:
    """A filter as it is sent; None: all events."""
    if where is None:
        return None
    return event_store_pb2.EventFilter(
        streams=sorted(where.streams),
        stream_prefixes=where.stream_prefixes,
        categories=sorted(where.categories),
        types=sorted(where.types),
    )


def duration(span: timedelta) -> Duration:
    """A time span as it is sent."""
    message = Duration()
    message.FromTimedelta(span)
    return message


def seconds(given: Any) -> float:
    """A time span in seconds."""
    return float(given.seconds + given.nanos / 1e9)


def _state(one: State) -> Any:
    return pb.ProjectionState.Value(one.name)


def _rate(build: BuildRow, now: datetime) -> float:
    return sum(partition.rate for partition in build.partitions if partition.held(now))


def _build(observed: Observed, build: BuildRow, identity: Identity) -> pb.Build:
    row, now = observed.row, observed.now
    names = {worker.worker: worker.name for worker in row.workers}
    return pb.Build(
        build=build.build,
        revision=build.revision,
        filter=filter_message(build.where),
        partitions=[_partition(observed, build, partition, names, identity) for partition in build.partitions],
        rebuild=_rebuild(row, build, now),
    )


def _partition(
    observed: Observed, build: BuildRow, partition: PartitionRow, names: dict[str, str], identity: Identity
) -> pb.Partition:
    held = partition.held(observed.now)
    return pb.Partition(
        partition=partition.partition,
        state=_state(state.state_of_partition(observed.row, build, partition, observed.now)),
        checkpoint=partition.checkpoint,
        lag_events=max(observed.head - partition.checkpoint, 0),
        events_per_second=partition.rate if held else 0.0,
        events=partition.events,
        errors=partition.errors,
        worker_id=partition.worker if held else "",
        worker=names.get(partition.worker, "") if held else "",
        held_since=timestamp(partition.leased_at) if held else None,
        last_error=_error(partition.error, identity),
        restarts_at=timestamp(partition.restart_at) if partition.faulted else None,
        updated_at=timestamp(partition.updated_at),
    )


def _error(occurred: OccurredError | None, identity: Identity) -> pb.PartitionError | None:
    if occurred is None:
        return None
    error = occurred.error
    reached = not error.stream or identity.reaches(error.stream)
    return pb.PartitionError(
        error=pb.HandlerError(
            position=error.position,
            type=error.type if reached else "",
            stream=error.stream if reached else "",
            message=error.message if reached else "(said of a stream that you do not reach)",
            attempts=error.attempts,
        ),
        occurred_at=timestamp(occurred.occurred_at),
        partition=occurred.partition,
    )


def _rebuild(row: ProjectionRow, build: BuildRow, now: datetime) -> pb.RebuildProgress | None:
    beside = build is not row.live
    if not beside and build.target is None and build.phase is not Phase.CLEARING:
        return None
    return pb.RebuildProgress(
        mode=pb.SIDE_BY_SIDE if beside else pb.IN_PLACE,
        step=_STEPS[build.phase],
        from_position=build.start_after,
        position=state.checkpoint_of(build) if build.phase is not Phase.CLEARING else build.start_after,
        to_position=build.target or 0,
        started_at=timestamp(build.rebuild_began_at),
        time_left=_time_left(build, now),
    )


def _time_left(build: BuildRow, now: datetime) -> Duration | None:
    """How long until all partitions have reached the target, if what is to come has as many events as what was passed."""
    rate = _rate(build, now)
    if build.phase is not Phase.FOLLOWING or build.target is None or rate <= 0:
        return None
    passed = sum(partition.checkpoint - build.start_after for partition in build.partitions)
    left = sum(max(build.target - partition.checkpoint, 0) for partition in build.partitions)
    events = sum(partition.events for partition in build.partitions)
    if passed <= 0 or events <= 0:
        return None
    needed = left * events / passed / rate
    return duration(timedelta(seconds=needed)) if needed < _LONGEST_LEFT.total_seconds() else None
