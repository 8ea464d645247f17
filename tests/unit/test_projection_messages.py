"""What a server says of projections, as the client's types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from mink.v1 import event_store_pb2
from mink.v1 import projections_pb2 as pb
from mink_client import ProjectionState, RebuildMode
from mink_client.projection_messages import mode_number, observed, parked_event, projection

AT = datetime(2026, 11, 22, 7, 30, 0, 123456, tzinfo=UTC)


def at(seconds: float = 0) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(AT + timedelta(seconds=seconds))
    return made


def lasting(seconds: float) -> Duration:
    made = Duration()
    made.FromMilliseconds(int(seconds * 1000))
    return made


ERROR = pb.PartitionError(
    error=pb.HandlerError(position=7, type="OrderPlaced", stream="Order-1", message="no qty", attempts=5),
    occurred_at=at(1),
    partition=1,
)
WHOLE = pb.Projection(
    name="OrderSummary",
    state=pb.FAULTED,
    checkpoint=6,
    head=10,
    lag_events=4,
    lag=lasting(2.5),
    events_per_second=12.5,
    last_error=ERROR,
    parked_events=3,
    created_at=at(-60),
    updated_at=at(),
    live=pb.Build(
        build=2,
        revision=3,
        filter=event_store_pb2.EventFilter(
            streams=["Order-9"], stream_prefixes=["Ord"], categories=["Order"], types=["OrderPlaced"]
        ),
        partitions=[
            pb.Partition(
                partition=0,
                state=pb.CATCHING_UP,
                checkpoint=6,
                lag_events=4,
                events_per_second=12.5,
                events=100,
                errors=2,
                worker_id="w1",
                worker="shop@host",
                held_since=at(-5),
                updated_at=at(),
            ),
            pb.Partition(partition=1, state=pb.FAULTED, last_error=ERROR, restarts_at=at(30)),
        ],
    ),
    next=pb.Build(
        build=4,
        revision=5,
        rebuild=pb.RebuildProgress(
            mode=pb.SIDE_BY_SIDE,
            step="replaying",
            from_position=2,
            position=6,
            to_position=10,
            started_at=at(-10),
            time_left=lasting(90),
        ),
    ),
    workers=[pb.Worker(worker_id="w1", worker="shop@host", revision=3, connected_at=at(-9), seen_at=at(-1), partitions=1)],
    waiting_for="a worker of revision 5",
)


def test_everything_that_is_said_arrives() -> None:
    found = projection(WHOLE)
    assert (found.name, found.state, found.checkpoint, found.head, found.lag_events) == (
        "OrderSummary", ProjectionState.FAULTED, 6, 10, 4
    )  # fmt: skip
    assert (found.lag, found.events_per_second, found.parked_events) == (timedelta(seconds=2.5), 12.5, 3)
    assert (found.created_at, found.updated_at) == (AT - timedelta(seconds=60), AT)
    assert found.waiting_for == "a worker of revision 5"
    error = found.last_error
    assert error is not None
    assert (error.position, error.type, error.stream, error.message, error.attempts, error.partition) == (
        7, "OrderPlaced", "Order-1", "no qty", 5, 1
    )  # fmt: skip
    assert error.occurred_at == AT + timedelta(seconds=1)
    live = found.live
    assert (live.build, live.revision, live.rebuild) == (2, 3, None)
    assert live.filter is not None
    assert (live.filter.streams, live.filter.stream_prefixes, live.filter.categories, live.filter.types) == (
        ("Order-9",), ("Ord",), ("Order",), ("OrderPlaced",)
    )  # fmt: skip
    held, faulted = live.partitions
    assert (held.partition, held.state, held.checkpoint, held.lag_events, held.events_per_second, held.events, held.errors) == (
        0, ProjectionState.CATCHING_UP, 6, 4, 12.5, 100, 2
    )  # fmt: skip
    assert (held.worker_id, held.worker, held.held_since, held.updated_at) == ("w1", "shop@host", AT - timedelta(seconds=5), AT)
    assert (held.last_error, held.restarts_at) == (None, None)
    assert (faulted.last_error, faulted.restarts_at, faulted.worker_id, faulted.held_since) == (
        error, AT + timedelta(seconds=30), "", None
    )  # fmt: skip
    (worker,) = found.workers
    assert (worker.worker_id, worker.worker, worker.revision, worker.partitions) == ("w1", "shop@host", 3, 1)
    assert (worker.connected_at, worker.seen_at) == (AT - timedelta(seconds=9), AT - timedelta(seconds=1))


def test_the_rebuild_of_the_next_build_is_the_projections() -> None:
    found = projection(WHOLE)
    assert found.next is not None
    assert found.next.filter is None
    rebuild = found.rebuild
    assert rebuild is not None
    assert rebuild == found.next.rebuild
    assert (rebuild.mode, rebuild.step, rebuild.from_position, rebuild.position, rebuild.to_position) == (
        RebuildMode.SIDE_BY_SIDE, "replaying", 2, 6, 10
    )  # fmt: skip
    assert (rebuild.started_at, rebuild.time_left) == (AT - timedelta(seconds=10), timedelta(seconds=90))
    assert (rebuild.done, rebuild.total) == (4, 8)


def test_what_is_not_said_is_none_and_not_a_time_or_a_zero() -> None:
    found = projection(pb.Projection(name="New", state=pb.STOPPED, live=pb.Build(build=1, revision=1, partitions=[pb.Partition()])))
    assert (found.last_error, found.next, found.rebuild, found.created_at, found.updated_at) == (None,) * 5
    assert found.lag == timedelta()
    (partition,) = found.live.partitions
    assert (partition.held_since, partition.last_error, partition.restarts_at, partition.updated_at) == (None,) * 4
    rebuild = projection(pb.Projection(live=pb.Build(rebuild=pb.RebuildProgress(mode=pb.IN_PLACE, step="clearing")))).rebuild
    assert rebuild is not None
    assert (rebuild.time_left, rebuild.started_at, rebuild.done, rebuild.total) == (None, None, 0, 0)


def test_a_rebuild_that_has_passed_its_end_is_no_more_than_done() -> None:
    progress = pb.RebuildProgress(from_position=2, position=12, to_position=10)
    rebuild = projection(pb.Projection(live=pb.Build(rebuild=progress))).rebuild
    assert rebuild is not None
    assert (rebuild.done, rebuild.total) == (8, 8)


def test_every_state_and_mode_of_the_proto_has_a_name_here_and_new_ones_are_unknown() -> None:
    for name, number in pb.ProjectionState.items():
        state = projection(pb.Projection(state=number)).state
        assert state.name == ("UNKNOWN" if number == 0 else name)
        assert state.value == state.name.lower()
    assert projection(pb.Projection(state=99)).state is ProjectionState.UNKNOWN  # type: ignore[arg-type]
    for name, number in pb.RebuildMode.items():
        rebuild = projection(pb.Projection(live=pb.Build(rebuild=pb.RebuildProgress(mode=number)))).rebuild
        assert rebuild is not None
        assert rebuild.mode.name == ("UNKNOWN" if number == 0 else name)


def test_a_mode_is_asked_for_by_its_name_or_its_member() -> None:
    assert mode_number("in_place") == mode_number(RebuildMode.IN_PLACE) == pb.IN_PLACE
    assert mode_number("side_by_side") == mode_number(RebuildMode.SIDE_BY_SIDE) == pb.SIDE_BY_SIDE
    for wrong in ("IN_PLACE", "", RebuildMode.UNKNOWN):
        with pytest.raises(ValueError, match="mode: 'in_place' or 'side_by_side'"):
            mode_number(wrong)


def test_a_moment_of_a_watch() -> None:
    seen = observed(pb.WatchProjectionsResponse(projections=[WHOLE, pb.Projection(name="Z")], server_time=at(3)))
    assert [found.name for found in seen.projections] == ["OrderSummary", "Z"]
    assert seen.server_time == AT + timedelta(seconds=3)


def test_a_parked_event() -> None:
    event = parked_event(
        pb.ParkedEvent(
            position=7,
            stream="Order-1",
            version=2,
            type="OrderPlaced",
            event_id="id",
            partition=1,
            message="no qty",
            attempts=5,
            parked_at=at(),
            replaying=True,
        )
    )
    assert (event.position, event.stream, event.version, event.type, event.event_id) == (7, "Order-1", 2, "OrderPlaced", "id")
    assert (event.partition, event.message, event.attempts, event.parked_at, event.replaying) == (1, "no qty", 5, AT, True)
