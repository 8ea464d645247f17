"""A read model in SQLite: the same promises, by plain functions in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from mink_client.projections import (
    DefinitionError,
    Projection,
    RetryPolicy,
    SQLite,
    Transient,
    current_lease,
    handles,
    handles_batch,
)
from mink_client.projections.applying import Applied, Fault, LeaseLost
from mink_client.projections.target import Checkpoint

from tests.projections.models import FAST, LOG, Parking, applier, event, events, lease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class Plain(Projection):
    """Writes down what it gets."""

    retry = FAST
    name = "Sums"

    def __init__(self, target: Any, **attributes: Any) -> None:
        self.target = target
        self.calls: list[int] = []
        self.acts: dict[int, Callable[[Any], Any]] = {}
        for name, value in attributes.items():
            setattr(self, name, value)

    def setup(self, tx: sqlite3.Connection) -> None:
        tx.execute("create table if not exists sums (position integer primary key, n integer not null)")

    def clear(self, tx: sqlite3.Connection) -> None:
        tx.execute("delete from sums")

    @handles("Added")
    def added(self, event: Any, tx: sqlite3.Connection) -> None:
        self.calls.append(event.position)
        tx.execute("insert into sums values (?, ?)", (event.position, event.json()["n"]))
        if event.position in self.acts:
            self.acts[event.position](tx)


class PlainBatches(Plain):
    added = None

    @handles_batch
    def all(self, events: list[Any], tx: sqlite3.Connection) -> None:
        tx.executemany("insert into sums values (?, ?)", [(each.position, each.json()["n"]) for each in events])
        for each in events:
            if each.position in self.acts:
                self.acts[each.position](tx)


class Model:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[SQLite] = []

    async def target(self, **options: Any) -> SQLite:
        target = SQLite(self.path, **options)
        await target.open()
        self.opened.append(target)
        return target

    def fetch(self, sql: str) -> list[Any]:
        connection = sqlite3.connect(self.path)
        try:
            return [row[0] for row in connection.execute(sql)]
        finally:
            connection.close()

    @property
    def positions(self) -> list[int]:
        return self.fetch("select position from sums order by 1")

    @property
    def checkpoint(self) -> int | None:
        return self.fetch("select position from mink_checkpoints")[0]


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[Model]:
    found = Model(tmp_path / "model.db")
    yield found
    for target in found.opened:
        await target.close()


def fails(error: Exception, times: int = 1000) -> Callable[[Any], None]:
    left = [times]

    def act(_tx: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise error

    return act


BOTH = pytest.mark.parametrize("kind", [Plain, PlainBatches])


async def test_rows_and_checkpoint_move_together(model: Model) -> None:
    target = await model.target()
    one = applier(Plain(target))
    assert await one.claim() == Checkpoint(0, LOG)
    assert await one.apply(events(1, 2), 4) == Applied(4, 2, 0, 0)
    assert await one.apply([], 6) == Applied(6, 0, 0, 0)
    assert (model.positions, await applier(Plain(target), lease(2)).claim()) == ([1, 2], Checkpoint(6, LOG))
    assert model.fetch("pragma journal_mode") == ["wal"]


async def test_handlers_run_in_the_targets_own_thread_under_their_lease(model: Model) -> None:
    found: list[Any] = []

    def look(_tx: Any) -> None:
        found.append((threading.current_thread().name, current_lease().token))

    projection = Plain(await model.target())
    projection.acts |= {1: look, 2: look}
    one = applier(projection)
    await one.claim()
    await one.apply(events(1, 2), 2)
    assert found == [("mink-sqlite_0", 1)] * 2


async def test_who_has_an_old_token_commits_nothing(model: Model) -> None:
    old, new = applier(Plain(await model.target()), lease(1)), applier(Plain(await model.target()), lease(2))
    await old.claim()
    await new.claim()
    for attempt in (old.apply(events(1), 1), old.apply([], 1), old.replay(event(1, n=1)), old.claim(), old.clear()):
        with pytest.raises(LeaseLost):
            await attempt
    await new.apply(events(1), 1)
    assert model.positions == [1]


async def test_a_claim_of_another_process_waits_for_the_holders_transaction(model: Model) -> None:
    projection = Plain(await model.target())
    entered, go = threading.Event(), threading.Event()

    def wait(_tx: Any) -> None:
        entered.set()
        assert go.wait(20)

    projection.acts[1] = wait
    old, new = applier(projection, lease(1)), applier(Plain(await model.target()), lease(2))
    await old.claim()
    applying = asyncio.create_task(old.apply(events(1), 1))
    assert await asyncio.to_thread(entered.wait, 20)
    claiming = asyncio.create_task(new.claim())
    await asyncio.wait({claiming}, timeout=0.1)
    assert not claiming.done()
    go.set()
    await applying
    assert await claiming == Checkpoint(1, LOG)


async def test_a_clear_fences_all_partitions(model: Model) -> None:
    target = await model.target()
    zombie = applier(Plain(target), lease(1, partition=1, partitions=2))
    await zombie.claim()
    await zombie.apply(events(1), 1)
    await applier(Plain(target), lease(2, partitions=2)).clear()
    assert model.positions == []
    for attempt in (zombie.apply(events(2), 2), zombie.claim(), applier(Plain(target), lease(1, partitions=2)).claim()):
        with pytest.raises(LeaseLost):
            await attempt
    assert await applier(Plain(target), lease(3, partition=1, partitions=2)).claim() == Checkpoint(0, LOG)


async def test_a_parked_event_is_replayed_exactly_once_until_a_clear(model: Model) -> None:
    projection = Plain(await model.target())
    one = applier(projection)
    await one.claim()
    projection.acts[3] = fails(ValueError("no"))
    assert (await one.replay(event(3, n=3))).message == "ValueError: no"
    projection.acts.clear()
    assert [await one.replay(event(3, n=3)) for _ in range(3)] == [None] * 3
    assert (projection.calls, model.positions) == ([3, 3], [3])
    await one.clear()
    assert await one.replay(event(3, n=3)) is None
    assert model.positions == [3]


@BOTH
async def test_a_poison_event_is_stopped_at_and_those_before_it_are_kept(model: Model, kind: type[Plain]) -> None:
    projection = kind(await model.target())
    projection.acts[5] = fails(ValueError("bad"))
    one = applier(projection)
    await one.claim()
    with pytest.raises(Fault) as caught:
        await one.apply(events(1, 2, 5, 9), 12)
    assert caught.value.poison.position == 5
    assert (model.positions, model.checkpoint) == ([1, 2], 4)


@BOTH
@pytest.mark.parametrize("choice", ["skip", "park"])
async def test_only_the_poison_event_is_passed_over(model: Model, kind: type[Plain], choice: str, parking: Parking) -> None:
    projection = kind(await model.target(), on_poison=choice)
    projection.acts |= {1: fails(ValueError("bad")), 5: fails(ValueError("bad"))}
    one = applier(projection, park=parking)
    await one.claim()
    applied = await one.apply(events(1, 2, 5, 9), 12)
    assert (applied.skipped, sorted(parking.positions)) == ((2, []) if choice == "skip" else (0, [1, 5]))
    assert (model.positions, model.checkpoint) == ([2, 9], 12)


@BOTH
async def test_what_passes_is_tried_again_whole(model: Model, kind: type[Plain]) -> None:
    projection = kind(await model.target())
    projection.acts[2] = fails(Transient("busy"), times=2)
    one = applier(projection)
    await one.claim()
    assert await one.apply(events(1, 2, 3), 3) == Applied(3, 3, 2, 0)
    assert model.positions == [1, 2, 3]


async def test_a_statement_that_takes_too_long_is_interrupted(model: Model, parking: Parking) -> None:
    retry = RetryPolicy(attempts=2, first=0.01, longest=0.01, timeout=0.3)
    projection = Plain(await model.target(), on_poison="park", retry=retry)

    def hang(tx: sqlite3.Connection) -> None:
        tx.execute("with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n").fetchone()

    projection.acts[2] = hang
    one = applier(projection, park=parking)
    await one.claim()
    await one.apply(events(1, 2, 3), 3)
    assert (parking.positions, model.positions) == ([2], [1, 3])
    assert parking.parked[0].message.startswith("HandlerTimeout")


async def test_a_write_that_is_interrupted_takes_its_transaction_along_and_nothing_else(model: Model, parking: Parking) -> None:
    retry = RetryPolicy(attempts=2, first=0.01, longest=0.01, timeout=0.3)
    projection = Plain(await model.target(), on_poison="park", retry=retry)

    def hang(tx: sqlite3.Connection) -> None:
        tx.execute("""insert into sums with recursive n(i) as (select 1000 union all select i + 1 from n)
            select i, i from n where i < 0""")

    projection.acts[2] = hang
    one = applier(projection, park=parking)
    await one.claim()
    await one.apply(events(1, 2, 3), 3)
    assert (parking.positions, model.positions, model.checkpoint) == ([2], [1, 3], 3)


async def test_a_cancelled_apply_has_committed_everything_or_nothing_when_it_ends(model: Model) -> None:
    projection = Plain(await model.target())
    one = applier(projection)
    await one.claim()
    position = 0
    cancelled = 0
    for number in range(100):
        task = asyncio.create_task(one.apply(events(position + 1, position + 2), position + 2))
        await asyncio.sleep(number % 10 / 4000)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            cancelled += 1
        found = model.checkpoint or 0
        assert found in (position, position + 2)
        assert model.positions == list(range(1, found + 1))
        position = found
    assert cancelled


async def test_a_cancelled_handler_has_ended_when_its_apply_has(model: Model) -> None:
    projection = Plain(await model.target())
    entered, left = threading.Event(), threading.Event()

    def linger(_tx: Any) -> None:
        entered.set()
        time.sleep(0.3)
        left.set()

    projection.acts[1] = linger
    one = applier(projection)
    await one.claim()
    task = asyncio.create_task(one.apply(events(1, 2), 2))
    assert await asyncio.to_thread(entered.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left.is_set()
    assert (model.positions, model.checkpoint, projection.calls) == ([], None, [1])


@pytest.mark.parametrize("sql", ["commit", "rollback", "script"])
async def test_a_handler_that_ends_the_transaction_is_told(model: Model, sql: str) -> None:
    projection = Plain(await model.target())
    projection.acts[1] = lambda tx: tx.executescript("select 1") if sql == "script" else getattr(tx, sql)()
    one = applier(projection)
    await one.claim()
    with pytest.raises(Fault) as caught:
        await one.apply(events(1), 1)
    assert "ended the transaction" in caught.value.poison.message or "UNIQUE" in caught.value.poison.message
    assert model.checkpoint == 0


async def test_another_process_that_writes_for_long_is_waited_for_and_tried_again(model: Model) -> None:
    projection = Plain(await model.target(busy_timeout=0.05))
    one = applier(projection)
    await one.claim()
    rival = sqlite3.connect(model.path, isolation_level=None)
    rival.execute("begin immediate")
    with pytest.raises(Fault, match="locked") as caught:
        await one.apply(events(1), 1)
    assert caught.value.restart_after is not None
    rival.execute("rollback")
    rival.close()
    await one.apply(events(1), 1)
    assert model.positions == [1]


async def test_partitions_of_one_process_take_turns(model: Model) -> None:
    projection = Plain(await model.target())
    rivals = [applier(projection, lease(n + 1, partition=n, partitions=4)) for n in range(4)]
    await asyncio.gather(*(rival.claim() for rival in rivals))
    for step in range(5):
        await asyncio.gather(*(rival.apply(events(step * 4 + n + 1), step * 4 + 4) for n, rival in enumerate(rivals)))
    assert model.positions == list(range(1, 21))
    assert model.fetch("select position from mink_checkpoints") == [20] * 4


async def test_a_target_is_closed_when_the_last_one_closes_it(model: Model) -> None:
    target = SQLite(model.path)
    await target.open()
    await target.open()
    await target.close()
    one = applier(Plain(target))
    await one.claim()
    await target.close()
    with pytest.raises(Fault, match="not open"):
        await one.apply(events(1), 1)
    await target.open()
    await one.apply(events(1), 1)
    await target.close()
    assert model.positions == [1]


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"nowhere/model\.db"):
        await SQLite(tmp_path / "nowhere" / "model.db").open()


async def test_without_a_hook_it_is_neither_cleared_nor_switched(model: Model) -> None:
    one = applier(Plain(await model.target(), clear=None))
    await one.claim()
    with pytest.raises(Fault, match="clear: is missing"):
        await one.clear()
    with pytest.raises(Fault, match="switch: is missing"):
        await one.switch()


async def test_a_switch_hook_runs_and_fences_the_builds_before(model: Model) -> None:
    switched: list[int] = []

    class Own(Plain):
        def switch(self) -> None:
            switched.append(current_lease().build)

    target = await model.target()
    old = applier(Own(target), lease(1))
    await old.claim()
    new = applier(Own(target), lease(2, build=2))
    await new.claim()
    await new.switch()
    assert switched == [2]
    with pytest.raises(LeaseLost):
        await old.apply(events(1), 1)


@pytest.mark.parametrize(
    "arguments", [{"path": ""}, {"path": 3}, {"path": "a", "busy_timeout": -1}, {"path": "a", "busy_timeout": "x"}]
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=r"SQLite: (path|busy_timeout)"):
        SQLite(**arguments)


async def test_a_projection_made_again_begins_with_an_empty_read_model(model: Model) -> None:
    target = await model.target()
    zombie = applier(Plain(target), lease(1))
    await zombie.claim()
    await zombie.apply(events(1, 2), 2)
    with pytest.raises(Fault, match="clear: is missing: the read model is that of build 1"):
        await applier(Plain(target, clear=None), lease(2, build=2, live_build=2)).claim()
    again = applier(Plain(target), lease(3, build=2, live_build=2))
    assert await again.claim() == Checkpoint(0, LOG)
    assert model.positions == []
    await again.apply(events(1), 1)
    for late in (zombie.apply(events(3), 3), zombie.claim()):
        with pytest.raises(LeaseLost):
            await late
    assert (await again.claim(), model.positions) == (Checkpoint(1, LOG), [1])
