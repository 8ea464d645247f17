"""How a worker stops."""

import asyncio

import pytest
from mink_client import Mink
from mink_client.worker import Worker


@pytest.fixture
async def busy(scripted, recorder, working):
    """A worker whose handler is held at event 1 of partition 0; partition 1 has nothing to do."""
    recorder.holding = {1}
    async with working(recorder.projection(partitions=2), drain_seconds=10.0) as worker:
        worker.session = await scripted.session()
        worker.key = worker.session.assign(0, partitions=2)
        worker.idle = worker.session.assign(1, partitions=2)
        await worker.session.until(lambda: worker.session.kinds().count("start") == 2)
        worker.session.events(worker.key, 1)
        worker.session.events(worker.key, 2)
        await recorder.until(lambda: recorder.entered == [1])
        yield worker


async def test_a_drain_finishes_what_is_under_way_and_gives_the_leases_back(busy, recorder):
    busy.stop()
    await busy.session.until(lambda: [one.lease for one in busy.session.all("released")] == [busy.idle])
    assert busy.stopping
    recorder.let_go()
    await asyncio.wait_for(busy.task, 20)
    await busy.session.ended.wait()
    assert [one.position for one in busy.session.all("handled")] == [1]
    assert [one.lease for one in busy.session.all("released")] == [busy.idle, busy.key]
    assert busy.session.half_closed
    assert recorder.entered == [1]


async def test_a_drain_takes_no_new_lease(busy, recorder):
    busy.stop()
    await busy.session.until(lambda: busy.session.all("released"))
    busy.session.assign(1, partitions=2)
    before = busy.session.heartbeats
    await busy.session.until(lambda: busy.session.heartbeats > before + 1)
    recorder.let_go()
    await asyncio.wait_for(busy.task, 20)
    assert busy.session.kinds().count("start") == 2


async def test_a_second_stop_ends_at_once(busy, recorder):
    busy.stop()
    busy.stop(at_once=True)
    await asyncio.wait_for(busy.task, 20)
    await busy.session.ended.wait()
    assert recorder.cancelled == [1]
    assert busy.session.all("handled") == []


async def test_a_drain_is_bounded(scripted, recorder, working):
    recorder.holding = {1}
    async with working(recorder.projection(), drain_seconds=0.3) as worker:
        session = await scripted.session()
        key = session.assign()
        session.events(key, 1)
        await recorder.until(lambda: recorder.entered == [1])
        worker.stop()
        await asyncio.wait_for(worker.task, 20)
        await session.ended.wait()
        assert recorder.cancelled == [1]
        assert [one.lease for one in session.all("released")] == [key]
        assert session.half_closed


async def test_a_worker_that_is_not_connected_stops(scripted, recorder, working, eventually, caplog):
    await scripted.stop()
    async with working(recorder.projection()) as worker:
        await eventually(lambda: "not connected" in caplog.text)
        worker.stop()
        await asyncio.wait_for(worker.task, 20)


async def test_a_server_that_does_not_say_goodbye_is_not_waited_for(scripted, recorder, working):
    async with working(recorder.projection()) as worker:
        session = await scripted.session()
        session.end = lambda *_: None
        worker.stop()
        await asyncio.wait_for(worker.task, 20)


async def test_a_cancelled_worker_lets_go_of_everything(busy, recorder):
    busy.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await busy.task
    await busy.session.ended.wait()
    assert recorder.cancelled == [1]


async def test_a_worker_is_a_context_and_leaves_a_given_client_open(scripted, recorder):
    async with Mink(scripted.target) as mink:
        async with Worker(mink, [recorder.projection()]):
            session = await scripted.session()
            session.assign()
            await session.next("start")
        assert session.kinds() == ["hello", "start", "released"]
        mink._open()


async def test_a_worker_runs_once(scripted, recorder):
    worker = Worker(scripted.target, [recorder.projection()])
    worker.stop()
    await worker.run()
    with pytest.raises(RuntimeError):
        await worker.run()
