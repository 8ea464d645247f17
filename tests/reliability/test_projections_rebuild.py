"""A rebuild clears the read model and fills it from the first event; side by side, there is a whole one at every moment."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest
from mink_client import ANY, ProjectionInUse, ProjectionState

from tests.reliability.load import lasting, report
from tests.reliability.projections.models import PostgresModel, SQLiteModel
from tests.reliability.projections.scene import NAME, until
from tests.reliability.projections.writers import some

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mink_client.projection_status import Projection

    from tests.reliability.projections.scene import Scene


async def rebuilt(scene: Scene, build: int = 1, seconds: float = 60) -> Projection:
    """Waits until a build is the live one and no rebuild is under way."""

    async def done() -> Projection | None:
        found = await scene.status()
        over = found.live.build == build and found.next is None and found.rebuild is None
        return found if over and found.state is not ProjectionState.REBUILDING else None

    return await until(done, f"build {build} is live and rebuilt", seconds)


async def spoil(scene: Scene) -> None:
    """Puts what the log does not have into the read model, and takes out something that it has."""
    sql = """
        insert into applied (position, stream, version, type, amount, worker, revision) values (0, 'Nobody', 1, 'Opened', 1, 0, 0);
        delete from applied where position = 1;
        update by_stream set amount = amount + 1
    """
    if isinstance(scene.model, PostgresModel):
        await scene.model.execute(sql)
    else:
        assert isinstance(scene.model, SQLiteModel)
        await asyncio.to_thread(scene.model.execute, sql)


@pytest.mark.parametrize("kind", ["postgres", pytest.param("sqlite", marks=pytest.mark.thorough)])
async def test_in_place_the_read_model_is_cleared_and_filled_again(open_scene: Callable[..., Awaitable[Scene]], kind: str) -> None:
    """Under load, by several workers, one of which is killed meanwhile."""
    scene = await open_scene(kind=kind, partitions=2)
    await scene.start_workers(2)
    async with scene.writers() as writers:
        await writers.progress(100)
        await scene.caught_up()
        await scene.mink.projections.pause(NAME)
        await spoil(scene)
        assert await scene.problems(await scene.log()) != []
        await scene.mink.projections.resume(NAME)
        began = await scene.mink.projections.rebuild(NAME)
        assert began.state is ProjectionState.REBUILDING
        assert began.rebuild is not None
        await writers.progress()
        scene.kill(scene.workers[0])
        await writers.progress()
        await rebuilt(scene)
        await writers.stop()
    await scene.finish(f"a rebuild in place, {kind}")


async def test_in_place_with_a_new_revision(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await open_scene()
    await scene.start_workers(1)
    await scene.mink.append("Stream-1", some(20), expected=ANY)
    await scene.caught_up()
    newer = scene.start_worker(READ_MODEL_REVISION="2")
    await scene.connected(*scene.workers)
    await until(lambda: _revisions_are(scene, {2}), "the read model is all of the new revision")
    await rebuilt(scene)
    assert list((await scene.holders()).values()) == [newer.name], "code of the old revision stands by"
    await scene.mink.append("Stream-1", some(5), expected=ANY)
    await scene.finish("a new revision in place")


async def _revisions_are(scene: Scene, revisions: set[int]) -> bool:
    assert isinstance(scene.model, PostgresModel)
    return {row[0] for row in await scene.model.fetch("select distinct revision from applied")} == revisions


async def test_a_read_model_that_nobody_can_clear_is_left_alone(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await open_scene(kind="file")
    await scene.start_workers(1)
    await scene.mink.append("Stream-1", some(5), expected=ANY)
    await scene.caught_up()
    with pytest.raises(ProjectionInUse):
        await scene.mink.projections.rebuild(NAME)
    await scene.mink.append("Stream-1", some(5), expected=ANY)
    await scene.finish("a rebuild that is refused")


class Reader:
    """Reads a read model all the time: it is never empty, never shrinks, and is never of two revisions."""

    def __init__(self) -> None:
        self.reads = 0
        self.events = 0
        self.revisions: list[int] = []

    async def read(self, model: PostgresModel) -> None:
        """Goes on until it is cancelled."""
        query = "select count(*), min(revision), max(revision), (select coalesce(sum(events), 0) from by_stream) from applied"
        connection = await asyncpg.connect(model.dsn, server_settings={"search_path": model.schema})
        try:
            while True:
                count, least, most, summed = await connection.fetchrow(query, timeout=20)
                assert count > 0
                assert count >= self.events, f"the read model has shrunk from {self.events} events to {count}"
                assert least == most, f"the read model is of revisions {least} and {most}"
                assert summed == count, "the tables of the read model are of two builds"
                self.events = count
                self.reads += 1
                if not self.revisions or self.revisions[-1] != most:
                    self.revisions.append(most)
        finally:
            connection.terminate()


@asynccontextmanager
async def reading(scene: Scene) -> AsyncIterator[Reader]:
    """Reads meanwhile; fails if there was anything wrong."""
    assert isinstance(scene.model, PostgresModel)
    reader = Reader()
    task = asyncio.create_task(reader.read(scene.model))
    try:
        yield reader
        assert not task.done(), task.result()
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(ended, asyncio.CancelledError):
            raise ended


async def builds_there(scene: Scene) -> list[str]:
    """The schemas of the read model's builds."""
    assert isinstance(scene.model, PostgresModel)
    rows = await scene.model.fetch(f"select nspname from pg_namespace where nspname like '{scene.model.schema}\\_b%' order by 1")
    return [row[0] for row in rows]


@lasting(1, 4)
async def test_side_by_side_there_is_a_whole_read_model_at_every_moment(
    open_scene: Callable[..., Awaitable[Scene]], seconds: float
) -> None:
    """New revisions come while the old one goes on; then the operator asks for one more. Workers are killed meanwhile."""
    scene = await open_scene(partitions=2, READ_MODEL_SIDE_BY_SIDE="1", READ_MODEL_ON_NEW_REVISION="side_by_side")
    await scene.start_workers(2)
    async with scene.writers() as writers:
        await writers.progress(100)
        await scene.caught_up()
        async with reading(scene) as reader:
            last = 1 + round(seconds)
            for revision in range(2, last + 1):
                before = [worker for worker in scene.workers if worker.alive]
                newer = [scene.start_worker(READ_MODEL_REVISION=str(revision)) for _ in range(3)]
                await scene.connected(*newer)
                await asyncio.sleep(random.uniform(0, 0.5))
                scene.kill(newer[0])
                await rebuilt(scene, revision)
                assert set((await scene.holders()).values()) <= {worker.name for worker in newer}
                for worker in before:
                    worker.terminate()
                    assert await asyncio.to_thread(worker.wait) == 0
                await writers.progress()
            began = await scene.mink.projections.rebuild(NAME, mode="side_by_side")
            assert began.next is not None
            assert began.next.build == last + 1
            await writers.progress()
            await rebuilt(scene, last + 1)
            await writers.progress()
            await writers.stop()
            await scene.caught_up()
            head = (await scene.log())[-1].position
            await until(lambda: reader.events >= head, "the reader has seen everything")
    assert reader.revisions == list(range(1, last + 1))
    assert reader.reads > 10
    await scene.finish("side by side")
    report("side by side", reads=reader.reads, builds=last + 1)

    async def one_left() -> bool:
        return len(await builds_there(scene)) == 1

    await until(one_left, "the schemas of older builds are dropped")


async def test_side_by_side_goes_back_when_nobody_can_finish_it(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """The live read model goes on as if nothing had been."""
    scene = await open_scene(READ_MODEL_SIDE_BY_SIDE="1", READ_MODEL_ON_NEW_REVISION="side_by_side")
    await scene.start_workers(1)
    async with scene.writers() as writers:
        await writers.progress(50)
        await scene.caught_up()
        async with reading(scene) as reader:
            (scene.folder / "slow").write_text("0.01")  # so that it has not caught up at once
            newer = scene.start_worker(READ_MODEL_REVISION="2")
            await scene.connected(newer)
            scene.kill(newer)
            (scene.folder / "slow").unlink()
            await writers.progress()
            await scene.caught_up()
            found = await scene.status()
            assert (found.live.build, found.live.revision) == (1, 1)
            assert found.next is not None
            await writers.progress()
            await writers.stop()
            await scene.caught_up()
        assert reader.revisions == [1]
        # And when somebody comes who can.
        scene.start_worker(READ_MODEL_REVISION="2")
        await rebuilt(scene, 2)
    await scene.finish("side by side, with nobody to finish it")
