"""An event that its handler cannot handle takes nothing along: its neighbours are applied, and it is not lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mink_client import ANY, ProjectionState

from tests.reliability.projections.proxy import Proxy
from tests.reliability.projections.scene import NAME, until
from tests.reliability.projections.writers import POISON, some

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.reliability.projections.scene import Scene

KINDS = pytest.mark.parametrize(
    "kind", ["postgres", *(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("by_type", "sqlite")), "file"]
)


async def append_with_poison(scene: Scene) -> list[int]:
    """Appends events of two streams while nobody handles them, so that they come in one batch; answers with where the poison is."""
    await scene.mink.projections.pause(NAME)
    poison = []
    for _ in range(2):
        await scene.mink.append("Stream-1", some(10, "Opened"), expected=ANY)
        poison.append((await scene.mink.append("Stream-1", some(1, POISON), expected=ANY)).last_position)
        await scene.mink.append("Stream-1", some(10, "Changed"), expected=ANY)
        await scene.mink.append("Stream-2", some(5, "Closed"), expected=ANY)
    await scene.mink.projections.resume(NAME)
    return poison


@KINDS
async def test_poison_is_parked_alone_and_applied_when_it_is_replayed(
    open_scene: Callable[..., Awaitable[Scene]], kind: str
) -> None:
    scene = await open_scene(kind=kind, READ_MODEL_ON_POISON="park")
    await scene.start_workers(1)
    poison = await append_with_poison(scene)
    await scene.caught_up()
    log = await scene.log()
    without = [event for event in log if event.position not in poison]
    assert await scene.problems(without, unordered=poison) == []
    parked = [event async for event in scene.mink.projections.parked(NAME)]
    assert [(event.position, event.stream, event.type, event.replaying) for event in parked] == [
        (position, "Stream-1", POISON, False) for position in poison
    ]
    assert all("poison cannot be handled" in event.message and event.attempts >= 1 for event in parked)
    assert (await scene.status()).parked_events == 2
    assert (await scene.status()).state is not ProjectionState.FAULTED

    # Tried again before it is mended, and after.
    tried = await scene.mink.projections.replay_parked(NAME, timeout=20)
    assert (tried.handled, tried.failed, tried.waiting) == (0, 2, 0)
    (scene.folder / "mended").touch()
    tried = await scene.mink.projections.replay_parked(NAME, positions=poison[:1], timeout=20)
    assert (tried.handled, tried.failed, tried.waiting) == (1, 0, 0)
    assert [event.position async for event in scene.mink.projections.parked(NAME)] == poison[1:]
    tried = await scene.mink.projections.replay_parked(NAME, timeout=20)
    assert (tried.handled, tried.failed, tried.waiting) == (1, 0, 0)
    assert (await scene.status()).parked_events == 0
    await scene.finish(f"poison, {kind}", unordered=poison)


@KINDS
async def test_poison_stops_where_it_is_and_goes_on_from_there(open_scene: Callable[..., Awaitable[Scene]], kind: str) -> None:
    """What stands before it is applied, nothing behind it; after a restart with better code it is the first."""
    scene = await open_scene(kind=kind, READ_MODEL_ON_POISON="stop")
    await scene.start_workers(1)
    poison = await append_with_poison(scene)

    async def faulted() -> bool:
        return (await scene.status()).state is ProjectionState.FAULTED

    await until(faulted, "the projection is faulted")
    found = await scene.status()
    assert found.checkpoint == poison[0] - 1
    assert found.last_error is not None
    assert (found.last_error.position, found.last_error.type, found.last_error.stream) == (poison[0], POISON, "Stream-1")
    assert "poison cannot be handled" in found.last_error.message
    assert [one.event.position for one in await scene.model.applied()] == list(range(1, poison[0]))
    (scene.folder / "mended").touch()
    await scene.mink.projections.restart(NAME)
    await scene.finish(f"poison stops, {kind}")
    assert not await faulted()


async def test_poison_is_parked_while_workers_are_killed(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """It is neither lost between the read model and the list of what was parked, nor in both."""
    scene = await open_scene(partitions=2, READ_MODEL_ON_POISON="park")
    await scene.start_workers(2)
    poison: list[int] = []
    async with scene.writers() as writers:
        for _ in range(4):
            for number in range(5):
                done = await scene.mink.append(f"Stream-{number}", some(1, POISON), expected=ANY)
                poison.append(done.last_position)
            await writers.progress(5)
            scene.kill(next(worker for worker in scene.workers if worker.alive))
            scene.start_worker()
            await writers.progress(5)
        await writers.stop()
    await scene.caught_up()
    assert sorted([event.position async for event in scene.mink.projections.parked(NAME)]) == poison
    (scene.folder / "mended").touch()

    async def replayed() -> bool:
        tried = await scene.mink.projections.replay_parked(NAME, timeout=10)
        assert tried.failed == 0
        return tried.waiting == 0

    replaying = asyncio.create_task(until(replayed, "all are replayed", 60))
    # Killed meanwhile: what was applied and not yet told of is not applied again.
    await scene.start_workers(1)
    scene.kill(next(worker for worker in scene.workers if worker.alive))
    await replaying
    assert (await scene.status()).parked_events == 0
    await scene.finish("poison and kills", unordered=poison)


async def test_a_replay_whose_answer_is_lost_is_not_applied_twice(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """The worker is cut off while it is at the event, and commits. Whoever is given the event next finds that it is done."""
    scene = await open_scene(lease=4, READ_MODEL_ON_POISON="park")
    async with Proxy(scene.servers[0].grpc_address) as proxy:
        first = scene.start_worker(proxy.address)
        await scene.connected(first)
        done = await scene.mink.append("Stream-1", some(1, POISON), expected=ANY)
        await scene.mink.append("Stream-1", some(2, "Opened"), expected=ANY)
        await scene.caught_up()
        (scene.folder / "mended").touch()
        (scene.folder / "hold").touch()
        replaying = asyncio.create_task(scene.mink.projections.replay_parked(NAME, timeout=40))
        await until((scene.folder / f"held-{first.pid}").exists, "the handler is at the event")
        proxy.cut()
        (scene.folder / "hold").unlink()
        (scene.folder / "go").touch()

        async def applied() -> bool:
            return any(one.event.position == done.last_position for one in await scene.model.applied())

        await until(applied, "it is applied")
        (second,) = await scene.start_workers(1)
        tried = await replaying
        if tried.waiting:  # a call waits at most 10 s
            tried = await scene.mink.projections.replay_parked(NAME, timeout=20)
        assert (tried.handled, tried.failed, tried.waiting) == (1, 0, 0)
        assert list((await scene.holders()).values()) == [second.name]
        assert (await scene.status()).parked_events == 0
        await scene.finish("a replay whose answer is lost", unordered=[done.last_position])
