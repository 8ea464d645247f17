"""A read model that Mink knows nothing of: at least once, and no more often than it must be."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from mink_client.projections import NoTransaction, Projection, RetryPolicy, Transient, handles, handles_batch
from mink_client.projections.applying import Applied, Fault

from tests.projections.models import FAST, Parking, applier, event, events

if TYPE_CHECKING:
    from collections.abc import Callable


class Outside(Projection):
    """Writes down what it gets."""

    name = "Sums"
    retry = FAST

    def __init__(self, **attributes: Any) -> None:
        self.calls: list[Any] = []
        self.errors: dict[int, list[Exception]] = {}
        for name, value in attributes.items():
            setattr(self, name, value)

    @handles("Added")
    async def added(self, event: Any) -> None:
        self.calls.append(event.position)
        if self.errors.get(event.position):
            raise self.errors[event.position].pop()


class OutsideBatches(Outside):
    added = None

    @handles_batch
    async def all(self, events: list[Any]) -> None:
        self.calls.append([each.position for each in events])
        for each in events:
            if self.errors.get(each.position):
                raise self.errors[each.position].pop()


def always(error: Exception) -> list[Exception]:
    return [error] * 1000


async def test_mink_keeps_the_checkpoint() -> None:
    projection = Outside()
    one = applier(projection)
    assert await one.claim() is None
    assert await one.apply(events(1, 2), 4) == Applied(4, 2, 0, 0)
    assert await one.apply([], 6) == Applied(6, 0, 0, 0)
    assert projection.calls == [1, 2]


async def test_what_was_handled_is_not_handled_again_after_a_failure_that_passes() -> None:
    projection = Outside()
    projection.errors[2] = [Transient("busy")] * 2
    assert (await applier(projection).apply(events(1, 2, 3), 3)).errors == 2
    assert projection.calls == [1, 2, 2, 2, 3]


async def test_a_fault_says_how_far_it_came() -> None:
    projection = Outside()
    projection.errors[5] = always(ValueError("bad"))
    with pytest.raises(Fault) as caught:
        await applier(projection).apply(events(1, 2, 5, 9), 12)
    assert caught.value.poison.position == 5
    assert caught.value.applied is not None
    assert (caught.value.applied.position, caught.value.applied.events) == (2, 2)
    assert projection.calls == [1, 2, 5, 5]


@pytest.mark.parametrize("choice", ["skip", "park"])
async def test_only_the_poison_event_is_passed_over(choice: str, parking: Parking) -> None:
    projection = Outside(on_poison=choice)
    projection.errors[2] = always(ValueError("bad"))
    applied = await applier(projection, park=parking).apply(events(1, 2, 3), 3)
    assert (applied.skipped, parking.positions) == ((1, []) if choice == "skip" else (0, [2]))
    assert projection.calls == [1, 2, 2, 3]


async def test_a_batch_that_fails_is_handled_event_by_event(parking: Parking) -> None:
    projection = OutsideBatches(on_poison="park")
    projection.errors[2] = always(ValueError("bad"))
    await applier(projection, park=parking).apply(events(1, 2, 3), 3)
    assert projection.calls == [[1, 2, 3], [1], [2], [3]]
    assert parking.positions == [2]


async def test_parking_that_fails_repeats_no_neighbour(parking: Parking) -> None:
    projection = Outside(on_poison="park")
    projection.errors[2] = always(ValueError("bad"))
    outages = [TimeoutError()]

    async def away(_poison: Any) -> None:
        if outages:
            raise outages.pop()

    parking.when = away
    await applier(projection, park=parking).apply(events(1, 2, 3), 3)
    assert (projection.calls, parking.positions) == ([1, 2, 2, 3], [2])


async def test_a_replay_says_what_went_wrong_again() -> None:
    projection = Outside()
    projection.errors[2] = [ValueError("bad")]
    one = applier(projection)
    poison = await one.replay(event(2))
    assert poison is not None
    assert poison.message == "ValueError: bad"
    assert await one.replay(event(2)) is None


@pytest.mark.parametrize("takes", [1, 2])
async def test_plain_handlers_run_in_threads(takes: int) -> None:
    found: list[Any] = []

    class One(Projection):
        @handles("Added")
        def added(self, event: Any) -> None:
            found.append((event.position, threading.current_thread() is threading.main_thread()))

    class Two(Projection):
        @handles("Added")
        def added(self, event: Any, tx: Any) -> None:
            assert tx is None
            found.append((event.position, threading.current_thread() is threading.main_thread()))

    await applier(One if takes == 1 else Two).apply(events(1, 2), 2)
    assert found == [(1, False), (2, False)]


async def test_a_plain_handler_that_takes_too_long_is_never_run_twice_at_once() -> None:
    running: list[int] = []
    most: list[int] = []

    class Slow(Projection):
        retry = RetryPolicy(attempts=2, first=0, longest=0, timeout=0.05)

        @handles("Added")
        def added(self, event: Any) -> None:
            running.append(1)
            most.append(len(running))
            time.sleep(0.3)
            running.pop()

    with pytest.raises(Fault, match="took longer than"):
        await applier(Slow).apply(events(1), 1)
    assert set(most) == {1}
    assert running == []


async def test_a_plain_handler_that_returns_a_coroutine_is_told() -> None:
    async def later() -> None: ...

    class Forgetful(Projection):
        @handles("Added")
        def added(self, event: Any) -> Any:
            return later()

    with pytest.raises(Fault, match="async def"):
        await applier(Forgetful).apply(events(1), 1)


async def test_hooks_run_without_a_transaction() -> None:
    done: list[Any] = []

    class Hooked(Outside):
        async def setup(self, tx: Any) -> None:
            done.append(("setup", tx))

        def clear(self) -> None:
            done.append("clear")

        async def switch(self) -> None:
            done.append("switch")

    one = applier(Hooked())
    await one.claim()
    await one.clear()
    await one.switch()
    assert done == [("setup", None), "clear", ("setup", None), "switch"]


async def test_hooks_that_are_missing_are_named() -> None:
    one = applier(Outside(target=NoTransaction()))
    for act, name in ((one.clear, "clear"), (one.switch, "switch")):
        with pytest.raises(Fault, match=f"{name}: is missing"):
            await act()


async def test_hooks_that_fail_for_a_moment_are_tried_again() -> None:
    left: list[Exception] = [Transient("a"), Transient("b")]

    class Shaky(Outside):
        async def setup(self) -> None:
            if left:
                raise left.pop()

    await applier(Shaky()).claim()
    assert left == []


async def test_a_cancellation_is_never_swallowed() -> None:
    entered = asyncio.Event()
    act: Callable[[], Any]

    class Waiting(Outside):
        added = None

        @handles("Added")
        async def wait(self, event: Any) -> None:
            entered.set()
            await asyncio.sleep(60)

        async def setup(self) -> None:
            entered.set()
            await asyncio.sleep(60)

    one = applier(Waiting())
    for act in (one.claim, lambda: one.apply(events(1), 1), lambda: one.replay(event(1))):
        entered.clear()
        task = asyncio.create_task(act())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
