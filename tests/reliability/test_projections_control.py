"""What an operator says is done: a pause stops every worker, a restart loses nothing, and the lag is what is missing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mink_client import ANY, ProjectionState

from tests.reliability.load import lasting, restart
from tests.reliability.projections.judge import overlaps
from tests.reliability.projections.scene import NAME, until
from tests.reliability.projections.writers import some

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.reliability.projections.scene import Scene


async def in_state(scene: Scene, state: ProjectionState, seconds: float = 30) -> None:
    """Waits until the projection is in a state."""

    async def so() -> bool:
        return (await scene.status()).state is state

    await until(so, f"the projection is {state}", seconds)


@pytest.mark.parametrize("kind", ["postgres", pytest.param("file", marks=pytest.mark.thorough)])
async def test_a_pause_stops_every_worker(open_scene: Callable[..., Awaitable[Scene]], kind: str) -> None:
    """Those that come meanwhile as well, also after a restart of the server."""
    scene = await open_scene(kind=kind, partitions=2)
    await scene.start_workers(2)
    await scene.held_by(*scene.workers)
    async with scene.writers() as writers:
        await writers.progress()
        paused = await scene.mink.projections.pause(NAME, timeout=20)
        assert (paused.acknowledged, paused.not_acknowledged) == (2, ())
        assert paused.projection.state is ProjectionState.PAUSED
        # From this moment on: not when it is noticed.
        spans, applied = scene.spans(), await scene.model.applied()
        assert all(span.ended is not None for span in spans)
        checkpoint = (await scene.status()).checkpoint
        await writers.progress()
        await scene.start_workers(1)
        await writers.progress()
        scene.servers[0].kill()
        await restart(scene.servers[0])
        await scene.connected(*scene.workers)
        await writers.progress()
        assert (await scene.status()).state is ProjectionState.PAUSED
        assert await scene.holders() == {}
        assert (await scene.status()).checkpoint == checkpoint
        assert scene.spans() == spans
        assert await scene.model.applied() == applied
        await scene.mink.projections.resume(NAME)
        await writers.progress()
        await writers.stop()
    await scene.finish(f"a pause, {kind}")
    await in_state(scene, ProjectionState.RUNNING)
    assert overlaps(scene.spans()) == []


async def test_a_pause_waits_for_the_transaction_that_is_under_way(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await open_scene(lease=20)
    (worker,) = await scene.start_workers(1)
    (scene.folder / "hold").touch()
    await scene.mink.append("Stream-1", some(3), expected=ANY)
    await until((scene.folder / f"held-{worker.pid}").exists, "the handler is at it")
    pausing = asyncio.create_task(scene.mink.projections.pause(NAME, timeout=20))
    await asyncio.wait([pausing], timeout=0.5)
    assert not pausing.done(), pausing.result()
    (scene.folder / "hold").unlink()
    (scene.folder / "go").touch()
    assert (await pausing).acknowledged == 1
    applied = await scene.model.applied()
    assert len(applied) in {0, 3}
    assert (await scene.status()).checkpoint == (3 if applied else 0), "what is done is known"
    await scene.mink.projections.resume(NAME)
    await scene.finish("a pause in the middle of a transaction")


async def test_a_pause_with_nobody_there_holds_for_who_comes(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await open_scene()
    (worker,) = await scene.start_workers(1)
    await scene.mink.append("Stream-1", some(3), expected=ANY)
    await scene.caught_up()
    worker.terminate()
    assert await asyncio.to_thread(worker.wait) == 0
    paused = await scene.mink.projections.pause(NAME, timeout=20)
    assert (paused.acknowledged, paused.not_acknowledged, paused.projection.workers) == (0, (), ())
    await scene.mink.append("Stream-1", some(3), expected=ANY)
    await scene.start_workers(1)
    await asyncio.sleep(1)
    assert len(await scene.model.applied()) == 3
    await scene.mink.projections.resume(NAME)
    await scene.finish("a pause with nobody there")


@pytest.mark.parametrize("kind", [pytest.param("postgres", marks=pytest.mark.thorough), "file"])
@lasting(3, 20)
async def test_restarts_lose_nothing(open_scene: Callable[..., Awaitable[Scene]], kind: str, seconds: float) -> None:
    """Of the projection, of the server, of a worker, under load."""
    scene = await open_scene(kind=kind, partitions=2)
    await scene.start_workers(2)
    async with scene.writers() as writers:
        for number in range(round(seconds)):
            await writers.progress()
            if number % 3 == 0:
                await scene.mink.projections.restart(NAME)
            elif number % 3 == 1:
                scene.servers[0].terminate()
                assert await asyncio.to_thread(scene.servers[0].wait, 30) == 0
                await restart(scene.servers[0])
            else:
                leaves = next(worker for worker in scene.workers if worker.alive)
                leaves.terminate()
                assert await asyncio.to_thread(leaves.wait) == 0
                scene.start_worker()
        await writers.progress()
        await writers.stop()
    await scene.finish(f"restarts, {kind}")
    assert overlaps(scene.spans()) == []


async def test_the_lag_is_what_is_missing(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """In events and in seconds, in the status and in the metrics."""
    scene = await open_scene(partitions=2)
    await scene.start_workers(1)
    await scene.mink.append("Stream-1", some(5), expected=ANY)
    await scene.mink.append("Stream-2", some(5), expected=ANY)

    async def nothing_missing() -> bool:
        found = await scene.status()
        return (found.checkpoint, found.lag_events, found.lag.total_seconds()) == (10, 0, 0)

    async def metric_is(name: str, true: Callable[[float], bool]) -> None:
        async def so() -> bool:
            value = await scene.metric(name)
            return value is not None and true(value)

        await until(so, f"{name} is right")

    await until(nothing_missing, "no lag")
    await metric_is("mink_projection_lag_events", lambda value: value == 0)
    await metric_is("mink_projection_lag_seconds", lambda value: value == 0)
    await metric_is("mink_projection_checkpoint_position", lambda value: value == 10)

    await scene.mink.projections.pause(NAME)
    # Whichever partitions they belong to: what counts is how far the whole is.
    for stream in ("Stream-1", "Stream-2", "Stream-3", "Stream-4", "Stream-5"):
        await scene.mink.append(stream, some(5), expected=ANY)
    first = await scene.status()
    assert (first.checkpoint, first.head, first.lag_events) == (10, 35, 25)

    async def grown(more: float) -> bool:
        found = await scene.status()
        assert found.lag_events == 25
        return (found.lag - first.lag).total_seconds() >= more

    await until(lambda: grown(1), "the lag grows while time passes")
    await metric_is("mink_projection_lag_events", lambda value: value == 25)
    await metric_is("mink_projection_lag_seconds", lambda value: value >= 1)
    await metric_is("mink_projection_checkpoint_position", lambda value: value == 10)

    await scene.mink.projections.resume(NAME)
    await scene.caught_up()

    async def gone() -> bool:
        found = await scene.status()
        return (found.lag_events, found.lag.total_seconds()) == (0, 0)

    await until(gone, "no lag again")
    await metric_is("mink_projection_lag_events", lambda value: value == 0)
    await metric_is("mink_projection_lag_seconds", lambda value: value == 0)
    await scene.finish("lag")
