"""kill -9 of workers and of Postgres, under load: read models in a database have every event exactly once, others at least once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.reliability.load import lasting
from tests.reliability.projections.models import PostgresModel, SQLiteModel
from tests.reliability.projections.scene import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.reliability.projections.scene import Scene
    from tests.support.databases import Postgres

# Seconds between two kills, about.
_ONE = 2

KINDS = pytest.mark.parametrize(
    "kind", ["postgres", *(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("sqlite", "file"))]
)


async def handled_more(scene: Scene, events: int = 50) -> None:
    """Waits until the projection has handled more than it has now."""
    wanted = (await scene.status()).checkpoint + events

    async def more() -> bool:
        return (await scene.status()).checkpoint >= wanted

    await until(more, f"{events} events more are handled")


@KINDS
@lasting(2 * _ONE, 10 * _ONE)
async def test_workers_are_killed(open_scene: Callable[..., Awaitable[Scene]], kind: str, seconds: float) -> None:
    scene = await open_scene(kind=kind, partitions=2)
    (scene.folder / "slow").write_text("0.003")  # so that most kills are in the middle of something
    await scene.start_workers(3)
    async with scene.writers(pause=0.05) as writers:
        for _ in range(round(seconds / _ONE)):
            await writers.run(random.uniform(0.1, 0.6))
            scene.kill(random.choice([worker for worker in scene.workers if worker.alive]))
            scene.start_worker()
            await handled_more(scene)
        # All at once.
        for worker in [worker for worker in scene.workers if worker.alive]:
            scene.kill(worker)
        await writers.progress()
        await scene.start_workers(2)
        await writers.progress()
        await writers.stop()
    await scene.finish(f"kill -9 of workers, {kind}", may_repeat=kind == "file")


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
async def test_rows_and_checkpoint_move_at_one_moment(open_scene: Callable[..., Awaitable[Scene]], kind: str) -> None:
    """Whoever reads both at once never sees rows beyond the checkpoint: there is no moment for a kill in between."""
    scene = await open_scene(kind=kind)
    assert isinstance(scene.model, PostgresModel | SQLiteModel)
    await scene.start_workers(1)
    seen = set()
    async with scene.writers() as writers:
        await writers.progress()
        await scene.caught_up()
        enough = writers.appends + 150
        while writers.appends < enough:
            await writers.run(0)
            ((rows, checkpoint),) = await scene.model.fetch(_ROWS_AND_CHECKPOINT)
            assert rows <= checkpoint
            seen.add(rows)
        await writers.stop()
    assert len(seen) > 10
    await scene.finish(f"rows and checkpoint, {kind}")


_ROWS_AND_CHECKPOINT = "select (select max(position) from applied), (select position from mink_checkpoints)"


@lasting(2 * _ONE, 10 * _ONE)
async def test_workers_that_are_told_to_stop_repeat_nothing(open_scene: Callable[..., Awaitable[Scene]], seconds: float) -> None:
    """Also where it is only at least once."""
    scene = await open_scene(kind="file", partitions=2, lease=30)  # no lease runs out here: it is given back
    await scene.start_workers(2)
    async with scene.writers() as writers:
        for _ in range(round(seconds / _ONE)):
            await writers.run(random.uniform(0.1, 0.6))
            await scene.start_workers(1)
            leaves = next(worker for worker in scene.workers if worker.alive)
            leaves.terminate()
            assert await asyncio.to_thread(leaves.wait, 20) == 0, leaves.output
            await handled_more(scene)
        await writers.stop()
    await scene.finish("SIGTERM of workers")


@lasting(2 * _ONE, 6 * _ONE)
async def test_postgres_is_killed(own_postgres: Postgres, open_scene: Callable[..., Awaitable[Scene]], seconds: float) -> None:
    """With the log and the read model in it."""
    scene = await open_scene(own_postgres, partitions=2)
    await scene.start_workers(2)
    assert own_postgres.embedded is not None
    async with scene.writers() as writers:
        for _ in range(round(seconds / _ONE)):
            await writers.run(random.uniform(0.1, 0.6))
            pid = own_postgres.embedded.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await writers.progress()
            await handled_more(scene)
        await writers.stop()
    await scene.finish("kill -9 of Postgres")
    assert all(worker.alive for worker in scene.workers), "a worker has ended because of it"
