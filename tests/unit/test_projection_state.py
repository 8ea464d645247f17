"""What a projection is said to be doing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from mink_server.core.projections.model import BuildRow, HandlerError, Observed, OccurredError, PartitionRow, Phase, State
from mink_server.core.projections.state import checkpoint_of, lag_of, last_error, state_of, state_of_partition, waiting_for

from tests.unit.test_projection_assignment import LEASE, NOW, build, held_by, partition, projection, worker

LIVE = held_by("a", 0, 9, caught_up=True)
BEHIND = held_by("a", 1, 9)
FAULTED = partition(1, faulted=True)


@pytest.mark.parametrize(
    ("live", "state"),
    [
        (build(1, [LIVE]), State.RUNNING),
        (build(1, [LIVE, BEHIND]), State.CATCHING_UP),
        (build(1, [LIVE, partition(1, caught_up=True)]), State.CATCHING_UP),
        (build(1, [partition(0, caught_up=True)]), State.STOPPED),
        (build(1, [LIVE, FAULTED]), State.FAULTED),
        (build(1, [LIVE, FAULTED], target=7), State.FAULTED),
        (build(1, [LIVE], target=7), State.REBUILDING),
        (build(1, [LIVE], phase=Phase.CLEARING), State.REBUILDING),
        (build(1, [held_by("a", 0, 5, caught_up=True), LIVE]), State.RESTARTING),
    ],
)
def test_states(live: BuildRow, state: State) -> None:
    row = projection(live, [worker("a")], restart_token=5)
    assert state_of(row, NOW) is state
    assert state_of(projection(live, [], restart_token=5, paused=True), NOW) is State.PAUSED
    beside = projection(live, [], build(2, [partition(0)]), restart_token=5)
    assert state_of(beside, NOW) is (State.FAULTED if state is State.FAULTED else State.REBUILDING)


def test_a_lease_that_has_run_out_is_nobodys() -> None:
    row = projection(build(1, [LIVE]), [worker("a")])
    assert state_of(row, NOW + LEASE - timedelta(microseconds=1)) is State.RUNNING
    assert state_of(row, NOW + LEASE) is State.STOPPED


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (LIVE, State.RUNNING),
        (BEHIND, State.CATCHING_UP),
        (FAULTED, State.FAULTED),
        (partition(0), State.STOPPED),
        (held_by("a", 0, 5), State.RESTARTING),
    ],
)
def test_states_of_partitions(one: PartitionRow, state: State) -> None:
    row = projection(build(1, [one]), [], restart_token=5)
    assert state_of_partition(row, row.live, one, NOW) is state
    row.live.target = 7
    rebuilding = state_of_partition(row, row.live, one, NOW)
    assert rebuilding is (State.REBUILDING if state in (State.RUNNING, State.CATCHING_UP) else state)
    row.paused = True
    if state is State.STOPPED:
        assert state_of_partition(row, row.live, one, NOW) is State.PAUSED


def test_the_lowest_checkpoint_counts() -> None:
    assert checkpoint_of(build(1, [partition(0, checkpoint=7), partition(1, checkpoint=3)])) == 3


def test_the_newest_error_of_both_builds_is_told() -> None:
    errors = [OccurredError(HandlerError(n, "T", "S", f"error {n}", 1), NOW + timedelta(seconds=n), 0) for n in range(3)]
    live = build(1, [partition(0, error=errors[0]), partition(1, error=errors[1])])
    assert last_error(projection(build(1, [partition(0)]), [])) is None
    assert last_error(projection(live, [])) == errors[1]
    assert last_error(projection(live, [], build(2, [partition(0, error=errors[2])]))) == errors[2]


def test_the_lag_is_never_negative() -> None:
    row = projection(build(1, [partition(0)]), [])
    assert lag_of(Observed(row, NOW, 0, None)) == timedelta()
    assert lag_of(Observed(row, NOW, 1, NOW - LEASE)) == LEASE
    assert lag_of(Observed(row, NOW, 1, NOW + LEASE)) == timedelta()


def test_why_nothing_goes_on() -> None:
    live = build(1, [partition(0)], revision=2)
    assert waiting_for(projection(live, []), NOW) == ""
    assert waiting_for(projection(live, [worker("a", revision=2)]), NOW) == ""
    waiting = projection(live, [worker("a"), worker("b", revision=3), worker("c", revision=3)])
    assert waiting_for(waiting, NOW) == "a worker of revision 2 for build 1; those that are connected have revision 1, 3"
    assert waiting_for(waiting, NOW + LEASE) == ""
    waiting.paused = True
    assert waiting_for(waiting, NOW) == ""
    clearing = build(1, [partition(0)], phase=Phase.CLEARING)
    assert waiting_for(projection(clearing, [worker("a", can_clear=False)]), NOW) == "a worker that can clear the read model"
    assert waiting_for(projection(clearing, [worker("a", can_clear=False), worker("b")]), NOW) == ""
    beside = projection(build(1, [partition(0)]), [worker("a")], build(2, [partition(0)], revision=2))
    assert waiting_for(beside, NOW).startswith("a worker of revision 2 for build 2")
