"""Handlers and hooks that raise what is no `Exception`: a lease ends all the same, and the worker only if that is meant."""

import asyncio
import gc

import pytest
from mink_client.projections import RestartPolicy, handles

from tests.worker.scripted import event
from tests.worker.test_partition import started


class Panic(BaseException):
    """As other languages' extensions raise it."""


@pytest.fixture
def quiet(caplog):
    """What nobody may find in a log afterwards: pages of asyncio's, and the texts of errors."""
    yield
    gc.collect()
    # Not what gRPC says of the scripted server, whose calls are cut off when a test ends.
    text = "\n".join(caplog.handler.format(record) for record in caplog.records if not record.name.startswith("grpc"))
    assert "never retrieved" not in text
    assert "Traceback" not in text
    assert "hush" not in text


@pytest.mark.parametrize("kind", [Panic, asyncio.CancelledError, GeneratorExit])
@pytest.mark.usefixtures("quiet")
async def test_whatever_a_handler_raises_is_a_fault(scripted, recorder, working, caplog, kind):
    recorder.failing = {2: kind("hush")}
    policy = RestartPolicy(attempts=3, first=7.0, longest=7.0)
    async with working(recorder.projection(restart=policy)) as worker:
        session, key = await started(scripted)
        session.events(key, 1, event(2, stream="Order-9"), 3)
        await session.until(lambda: "faulted" in session.kinds())
        (faulted,) = session.all("faulted")
        assert faulted.lease == key
        assert faulted.error.message == f"{kind.__name__}: hush"
        assert faulted.restart_after.ToTimedelta().total_seconds() > 0
        if kind is not GeneratorExit:  # which a coroutine gets that is thrown away: nobody knows whose it is
            assert [one.position for one in session.all("handled")] == [1]
            assert (faulted.error.position, faulted.error.stream) == (2, "Order-9")
        assert f": {kind.__name__}; it stays so for" in caplog.text
        recorder.failing = {}
        again = session.assign(checkpoint=1)
        await session.until(lambda: session.kinds().count("start") == 2)
        session.events(again, 2, 3)
        await session.until(lambda: any(one.position == 3 for one in session.all("handled")))
        assert not worker.stopping


@pytest.mark.parametrize("kind", [Panic, asyncio.CancelledError])
async def test_what_is_no_exception_is_poison_as_well(scripted, recorder, working, kind):
    recorder.failing = {2: kind("hush")}
    async with working(recorder.projection(on_poison="skip")):
        session, key = await started(scripted)
        session.events(key, 1, 2, 3)
        await session.until(lambda: any(one.position == 3 for one in session.all("handled")))
        assert sum(one.skipped for one in session.all("handled")) == 1
        assert "faulted" not in session.kinds()


@pytest.mark.parametrize("kind", [Panic, asyncio.CancelledError, StopIteration])
@pytest.mark.usefixtures("quiet")
async def test_whatever_a_plain_handler_raises_is_a_fault(scripted, recorder, working, kind):
    def placed(_self, _event):
        raise kind("hush")

    projection = recorder.projection()
    projection.placed = handles("OrderPlaced")(placed)
    async with working(projection):
        session, key = await started(scripted)
        session.events(key, 1)
        faulted = await session.next("faulted")
        assert (faulted.error.position, kind.__name__ in faulted.error.message) == (1, True)


@pytest.mark.parametrize("kind", [Panic, asyncio.CancelledError])
@pytest.mark.usefixtures("quiet")
async def test_whatever_a_hook_raises_is_a_fault(scripted, recorder, working, kind):
    async def setup(_self):
        raise kind("hush")

    async with working(recorder.projection(setup=setup)):
        session = await scripted.session()
        key = session.assign()
        faulted = await session.next("faulted")
        assert (faulted.lease, faulted.error.position, faulted.error.message) == (key, 0, f"{kind.__name__}: hush")


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.usefixtures("quiet")
async def test_a_handler_that_ends_the_process_drains_the_worker(scripted, recorder, working, caplog, kind, plain):
    def placed(_self, _event):
        raise kind("hush")

    recorder.failing = {2: kind("hush")}
    projection = recorder.projection(partitions=2)
    if plain:
        projection.placed = handles("OrderPlaced")(placed)
    async with working(projection) as worker:
        session = await scripted.session()
        other, key = session.assign(0, partitions=2), session.assign(1, partitions=2)
        await session.until(lambda: session.kinds().count("start") == 2)
        session.events(key, 2)
        await asyncio.wait_for(worker.task, 20)
        await session.ended.wait()
        assert [one.lease for one in session.all("released")] == [key, other]
        assert session.all("handled") == session.all("faulted") == []
        assert session.half_closed
        assert f"raised {kind.__name__}: the worker stops" in caplog.text


@pytest.mark.usefixtures("quiet")
async def test_a_lease_ends_even_if_what_ends_it_fails(scripted, recorder, working, monkeypatch):
    def fail(*_):
        raise Panic("hush")

    monkeypatch.setattr("mink_client.worker.partition.trouble", fail)

    async def setup(_self):
        raise Panic("hush")

    async with working(recorder.projection(setup=setup)) as worker:
        session = await scripted.session()
        key = session.assign()
        faulted = await session.next("faulted")
        assert (faulted.lease, faulted.HasField("restart_after")) == (key, True)
        assert not worker.task.done()
