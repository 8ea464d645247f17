"""What becomes of events whose handlers fail: never of their neighbours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from mink_client.projections import RestartPolicy, RetryPolicy, Transient, current_lease, handles, handles_batch
from mink_client.projections.applying import Applied, Fault

from tests.projections.models import FAST, Parking, ReadModel, Sums, applier, event, events, lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_client import RecordedEvent


class Batches(Sums):
    """The same with a handler for batches."""

    added = None

    @handles_batch
    async def all(self, events: list[RecordedEvent], tx: Any) -> None:
        assert events
        self.calls.append(len(events))
        await tx.executemany("insert into sums values ($1, $2)", [(each.position, each.json()["n"]) for each in events])
        for each in events:
            if each.position in self.acts:
                await self.acts[each.position](tx)


def fails(error: Exception, times: int = 1000) -> Callable[[Any], Any]:
    """An act that fails some times."""
    left = [times]

    async def act(_tx: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise error

    return act


BOTH = pytest.mark.parametrize("kind", [Sums, Batches])


async def ready(model: ReadModel, kind: type[Sums], park: Parking | None = None, **attributes: Any) -> tuple[Sums, Any]:
    projection = kind(await model.target(), **{"name": "Sums", **attributes})
    one = applier(projection, park=park)
    await one.claim()
    return projection, one


@BOTH
async def test_a_batch_is_handled_in_one_transaction(model: ReadModel, kind: type[Sums]) -> None:
    projection, one = await ready(model, kind)
    assert await one.apply(events(1, 2, 5), 7) == Applied(7, 3, 0, 0)
    assert (
        len(set(await model.fetch("select xmin::text from {schema}.sums union select xmin::text from {schema}.mink_checkpoints")))
        == 1
    )
    assert projection.calls == ([3] if kind is Batches else [1, 2, 5])


@BOTH
async def test_a_poison_event_is_stopped_at_and_those_before_it_are_kept(model: ReadModel, kind: type[Sums]) -> None:
    projection, one = await ready(model, kind)
    projection.acts[5] = fails(ValueError("bad\0 qty"))
    with pytest.raises(Fault) as caught:
        await one.apply(events(1, 2, 5, 9), 12)
    poison = caught.value.poison
    assert (poison.position, poison.type, poison.stream) == (5, "Added", "Sum-1")
    assert poison.message == "ValueError: bad\N{REPLACEMENT CHARACTER} qty"
    assert poison.attempts == (1 if kind is Batches else 2)
    assert (await model.positions(), await model.checkpoint()) == ([1, 2], 4)
    projection.acts.clear()
    assert (await one.claim()).position == 4
    await one.apply(events(5, 9), 12)
    assert await model.positions() == [1, 2, 5, 9]


@BOTH
async def test_poison_events_are_skipped_and_their_neighbours_are_not(model: ReadModel, kind: type[Sums]) -> None:
    projection, one = await ready(model, kind, on_poison="skip")
    projection.acts |= {1: fails(ValueError("a")), 5: fails(ValueError("b"))}
    applied = await one.apply(events(1, 2, 5, 9), 12)
    assert (applied.position, applied.events, applied.skipped) == (12, 4, 2)
    assert applied.errors == 3  # the whole, and each of the two
    assert (await model.positions(), await model.checkpoint()) == ([2, 9], 12)


@BOTH
async def test_a_poison_event_is_parked_before_the_checkpoint_passes_it(
    model: ReadModel, kind: type[Sums], parking: Parking
) -> None:
    projection, one = await ready(model, kind, parking, on_poison="park")
    projection.acts[5] = fails(ValueError("bad"))
    seen: list[Any] = []

    async def look(_poison: Any) -> None:
        seen.append(await model.checkpoint())

    parking.when = look
    assert (await one.apply(events(1, 2, 5, 9), 12)).skipped == 0
    assert seen == [None]
    assert parking.positions == [5]
    assert (await model.positions(), await model.checkpoint()) == ([1, 2, 9], 12)


async def test_parking_that_fails_is_tried_again_without_the_handler(model: ReadModel, parking: Parking) -> None:
    projection, one = await ready(model, Sums, parking, on_poison="park")
    projection.acts[2] = fails(ValueError("bad"))
    outages = [TimeoutError("no answer"), TimeoutError("no answer")]

    async def away(_poison: Any) -> None:
        if outages:
            raise outages.pop()

    parking.when = away
    await one.apply(events(1, 2, 3), 3)
    assert (parking.positions, await model.positions()) == ([2], [1, 3])
    assert projection.calls.count(2) == 2


async def test_parking_that_cannot_be_done_leaves_the_checkpoint(model: ReadModel, parking: Parking) -> None:
    projection, one = await ready(model, Sums, parking, on_poison="park")
    projection.acts[2] = fails(ValueError("bad"))

    async def away(_poison: Any) -> None:
        raise TimeoutError("no answer")

    parking.when = away
    with pytest.raises(Fault, match="no answer") as caught:
        await one.apply(events(1, 2, 3), 3)
    assert caught.value.restart_after is not None
    assert (await model.positions(), await model.checkpoint()) == ([], None)


async def test_many_poison_events_are_parked_in_several_transactions(model: ReadModel, parking: Parking) -> None:
    projection, one = await ready(model, Sums, parking, on_poison="park")
    projection.acts |= {n: fails(ValueError("bad")) for n in range(1, 121)}
    await one.apply(events(*range(1, 131)), 130)
    assert sorted(parking.positions) == list(range(1, 121))
    assert await model.positions() == list(range(121, 131))


@BOTH
async def test_what_passes_is_tried_again_whole(model: ReadModel, kind: type[Sums]) -> None:
    projection, one = await ready(model, kind, on_poison="skip")
    projection.acts[2] = fails(Transient("busy"), times=2)
    assert await one.apply(events(1, 2, 3), 3) == Applied(3, 3, 2, 0)
    assert await model.positions() == [1, 2, 3]


@BOTH
async def test_what_should_pass_and_does_not_is_a_fault_and_no_poison(model: ReadModel, kind: type[Sums], parking: Parking) -> None:
    projection, one = await ready(model, kind, parking, on_poison="park")
    projection.acts[2] = fails(Transient("busy"))
    with pytest.raises(Fault) as caught:
        await one.apply(events(1, 2, 3), 3)
    poison = caught.value.poison
    assert (poison.position, poison.message, poison.attempts) == (0 if kind is Batches else 2, "Transient: busy", 3)
    assert caught.value.restart_after == 5
    assert (parking.parked, await model.positions()) == ([], [])


async def test_what_passes_is_tried_again_event_by_event_as_well(model: ReadModel) -> None:
    projection, one = await ready(model, Sums, on_poison="skip")
    projection.acts[3] = fails(ValueError("bad"))
    seen: list[int] = []

    async def once(_tx: Any) -> None:
        seen.append(len(projection.calls))
        if len(seen) == 2:
            raise Transient("busy")

    projection.acts[2] = once
    applied = await one.apply(events(1, 2, 3, 4), 4)
    assert (len(seen), applied.errors, applied.skipped) == (3, 3, 1)
    assert await model.positions() == [1, 2, 4]


async def test_a_deadlock_is_a_failure_that_passes(model: ReadModel) -> None:
    projection, one = await ready(model, Sums)
    await model.fetch("insert into {schema}.sums values (100, 0), (101, 0)")
    rival = await model.connect()
    held, crossed = asyncio.Event(), asyncio.Event()

    async def cross(tx: Any) -> None:
        await tx.execute("set local deadlock_timeout = '50ms'")
        await tx.execute("update sums set n = n + 1 where position = 100")
        crossed.set()
        await tx.execute("update sums set n = n + 1 where position = 101")

    async def meet() -> None:
        async with rival.transaction():
            await rival.execute("set local deadlock_timeout = '1h'")
            await rival.execute(f"update {model.schema}.sums set n = n + 1 where position = 101")
            held.set()
            await crossed.wait()
            await rival.execute(f"update {model.schema}.sums set n = n + 1 where position = 100")

    projection.acts[1] = cross
    meeting = asyncio.create_task(meet())
    await held.wait()
    applied = await one.apply(events(1), 1)
    await meeting
    await rival.close()
    assert applied.errors == 1
    assert await model.fetch("select n from {schema}.sums where position >= 100") == [2, 2]


async def test_a_handler_that_always_takes_too_long_is_poison_in_the_end(model: ReadModel, parking: Parking) -> None:
    retry = RetryPolicy(attempts=2, first=0.01, longest=0.01, timeout=0.2)
    projection, one = await ready(model, Sums, parking, on_poison="park", retry=retry)

    async def hang(tx: Any) -> None:
        await tx.execute("select pg_sleep(60)")

    projection.acts[2] = hang
    await one.apply(events(1, 2, 3), 3)
    assert (parking.positions, await model.positions()) == ([2], [1, 3])
    assert parking.parked[0].message == "HandlerTimeout: the handler took longer than 0.2 s"
    assert parking.parked[0].attempts == 3


async def test_the_time_of_a_handler_is_that_of_one_event(model: ReadModel) -> None:
    retry = RetryPolicy(attempts=1, timeout=1)
    projection, one = await ready(model, Sums, retry=retry)

    async def linger(_tx: Any) -> None:
        await asyncio.sleep(0.3)

    projection.acts |= dict.fromkeys(range(1, 8), linger)
    assert (await one.apply(events(*range(1, 8)), 7)).errors == 0


async def test_an_error_at_the_commit_is_blamed_on_its_event(model: ReadModel, parking: Parking) -> None:
    class Late(Sums):
        async def setup(self, tx: Any) -> None:
            await tx.execute("create table if not exists known (n bigint primary key)")
            await tx.execute("""create table if not exists sums (position bigint primary key,
                n bigint not null references known deferrable initially deferred)""")
            await tx.execute("insert into known select generate_series(1, 10) on conflict do nothing")

    _, one = await ready(model, Late, parking, on_poison="park")
    applied = await one.apply([event(1, n=1), event(2, n=99), event(3, n=3)], 3)
    assert (parking.positions, await model.positions(), await model.checkpoint()) == ([2], [1, 3], 3)
    assert parking.parked[0].message.startswith("ForeignKeyViolationError")
    assert "99" not in parking.parked[0].message
    assert applied.events == 3


async def test_a_read_model_whose_tables_are_gone_is_a_fault_of_no_event(model: ReadModel, parking: Parking) -> None:
    _, one = await ready(model, Sums, parking, on_poison="park")
    await model.fetch("drop table {schema}.mink_checkpoints")
    with pytest.raises(Fault) as caught:
        await one.apply(events(1), 1)
    assert (caught.value.poison.position, parking.parked) == (0, [])


async def test_faults_follow_the_restart_policy(model: ReadModel) -> None:
    projection = Sums(await model.target(), restart=RestartPolicy(attempts=2, first=1, longest=60))
    one = applier(projection)
    await one.claim()
    projection.acts[1] = fails(ValueError("bad"))
    found = []
    for _ in range(3):
        with pytest.raises(Fault) as caught:
            await one.apply(events(1), 1)
        found.append(caught.value.restart_after)
    assert found[0] == 1


async def test_handlers_know_their_lease_and_nobody_else(model: ReadModel) -> None:
    found = []

    class Curious(Sums):
        @handles("Asked")
        async def asked(self, event: Any) -> None:
            found.append(current_lease())

    held = lease(4, partition=2, partitions=3)
    one = applier(Curious(await model.target(), name="Sums"), held)
    await one.claim()
    await one.apply([event(1, "Asked")], 1)
    assert found == [held]
    with pytest.raises(LookupError):
        current_lease()


async def test_events_without_a_handler_are_passed_over(model: ReadModel) -> None:
    _, one = await ready(model, Sums)
    assert (await one.apply([event(1, "Unknown"), event(2, n=2)], 2)).events == 2
    assert await model.positions() == [2]


async def test_a_long_message_is_cut(model: ReadModel, parking: Parking) -> None:
    projection, one = await ready(model, Sums, parking, on_poison="park")
    projection.acts[1] = fails(ValueError("x" * 5000 + "\ud800"))
    await one.apply(events(1), 1)
    assert len(parking.parked[0].message) == 2000
    parking.parked[0].message.encode()


async def test_a_group_of_errors_says_what_is_in_it(model: ReadModel, parking: Parking) -> None:
    projection, one = await ready(model, Sums, parking, on_poison="park")
    projection.acts[1] = fails(ExceptionGroup("some", [ValueError("a"), KeyError("b")]))
    await one.apply(events(1), 1)
    assert parking.parked[0].message == "ExceptionGroup: ValueError: a; KeyError: 'b'"


@pytest.mark.parametrize("moment", ["handler", "between", "parking"])
async def test_a_cancellation_among_single_events_leaves_checkpoint_and_rows_alike(
    model: ReadModel, parking: Parking, moment: str
) -> None:
    projection, one = await ready(model, Sums, parking, on_poison="park")
    reached = asyncio.Event()

    async def stay(*_: Any) -> None:
        reached.set()
        await asyncio.sleep(60)

    projection.acts[2] = fails(ValueError("bad"))
    if moment == "handler":
        projection.acts[3] = stay
    elif moment == "parking":
        parking.when = stay
    else:
        projection.acts[2] = fails(ValueError("bad"), times=1)
        projection.acts[4] = stay
    task = asyncio.create_task(one.apply(events(1, 2, 3, 4), 4))
    async with asyncio.timeout(20):
        await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await model.positions(), await model.checkpoint(), parking.parked) == ([], None, [])
    projection.acts.clear()
    await one.claim()
    await one.apply(events(1, 2, 3, 4), 4)
    assert await model.positions() == [1, 2, 3, 4]


async def test_long_work_among_single_events_is_committed_bit_by_bit(model: ReadModel) -> None:
    projection, one = await ready(model, Sums, retry=FAST)
    found: list[Any] = []

    async def linger(_tx: Any) -> None:
        await asyncio.sleep(0.6)

    async def look(_tx: Any) -> None:
        found.append(await model.positions())

    projection.acts |= {1: linger, 2: linger, 3: look, 4: fails(ValueError("bad"))}
    started = time.monotonic()
    with pytest.raises(Fault):
        await one.apply(events(1, 2, 3, 4), 4)
    assert time.monotonic() > started
    assert found == [[], [1, 2]]
