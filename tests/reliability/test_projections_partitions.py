"""Workers come and go: partitions are shared evenly, each is handled by one at a time, and streams keep their order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.reliability.load import lasting, report
from tests.reliability.projections.judge import overlaps, partition_of
from tests.reliability.projections.scene import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.reliability.projections.scene import Scene

PARTITIONS = 4


async def test_two_workers_of_one_projection_never_both_apply(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """Where nothing but the lease keeps them apart: no transaction, one partition, workers that come at the same moment."""
    scene = await open_scene(kind="file")
    for _ in range(3):
        scene.start_worker()
    await scene.connected(*scene.workers)
    async with scene.writers() as writers:
        await writers.progress()
        first = await scene.holder()
        first.terminate()
        await until(lambda: not first.alive, "the first one has gone")
        await writers.progress()
        await writers.stop()
    await scene.finish("three workers, one partition")
    assert overlaps(scene.spans()) == []
    assert len({one.worker for one in await scene.model.applied()}) == 2, "one of them stood by"


@pytest.mark.parametrize(
    "kind", ["file", pytest.param("postgres", marks=pytest.mark.thorough), pytest.param("sqlite", marks=pytest.mark.reliability)]
)
@lasting(1, 4)
async def test_workers_come_and_go(open_scene: Callable[..., Awaitable[Scene]], kind: str, seconds: float) -> None:
    """1, 2, 4, 3, 1 of them. They are told to go; where there are transactions, every other one is killed."""
    scene = await open_scene(kind=kind, partitions=PARTITIONS, lease=30)  # no lease runs out: all is handed over
    took = []
    async with scene.writers() as writers:
        for _ in range(round(seconds)):
            for count in (1, 2, 4, 3, 1):
                there = [worker for worker in scene.workers if worker.alive]
                for number, worker in enumerate(there[: len(there) - count]):
                    if kind != "file" and number % 2:
                        scene.kill(worker)
                    else:
                        worker.terminate()
                        assert await asyncio.to_thread(worker.wait) == 0, worker.output
                for _ in range(count - len(there)):
                    scene.start_worker()
                there = [worker for worker in scene.workers if worker.alive]
                await scene.connected(*there)
                took.append(await scene.held_by(*there))
                await writers.progress()
                for worker in there:
                    await scene.handled_by(worker.pid)
        await writers.stop()
    await scene.finish(f"workers come and go, {kind}")
    assert overlaps(scene.spans()) == []
    assert {partition_of(event.stream, PARTITIONS) for event in await scene.log()} == set(range(PARTITIONS))
    report("workers come and go", shared_after_s=max(took))
