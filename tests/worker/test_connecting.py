"""Calls: how they begin, break and begin again."""

import asyncio
import contextlib
import logging
import time

import pytest
from google.rpc import error_details_pb2
from mink_client import InvalidRequest, PermissionDenied, Unauthenticated, Unavailable
from mink_client.worker import Worker

from tests.worker.conftest import ONCE
from tests.worker.scripted import Scripted

SECOND = error_details_pb2.RetryInfo()
SECOND.retry_delay.FromSeconds(1)


async def test_a_worker_says_what_it_runs(scripted, recorder, working):
    projection = recorder.projection(revision=3, partitions=4, start=17, on_new_revision="in_place", streams=["Order-1"])
    async with working(projection, max_partitions=2, name="billing at host-3"):
        hello = (await scripted.session()).hello
        assert (hello.projection, hello.worker, hello.revision) == ("Orders", "billing at host-3", 3)
        assert (hello.partitions, hello.max_partitions, hello.after_position) == (4, 2, 17)
        assert (list(hello.filter.categories), list(hello.filter.types)) == (["Order"], ["OrderPlaced"])
        assert list(hello.filter.streams) == ["Order-1"]
        assert hello.on_new_revision == 1


async def test_a_new_projection_may_begin_at_the_end(scripted, recorder, working):
    async with working(recorder.projection(start="end")):
        assert (await scripted.session()).hello.from_end


async def test_heartbeats_go_on_while_a_handler_waits(scripted, recorder, working):
    scripted.lease = 2.0
    recorder.holding = {1}
    async with working(recorder.projection()) as worker:
        session = await scripted.session()
        key = session.assign()
        session.events(key, 1)
        await recorder.until(lambda: recorder.entered == [1])
        before = session.heartbeats
        await session.until(lambda: session.heartbeats >= before + 3)
        assert worker.status[0].connected


async def test_a_worker_waits_for_a_server_that_starts_later(scripted, recorder, working, eventually, caplog):
    await scripted.stop()
    async with working(recorder.projection()) as worker:
        await eventually(lambda: "not connected" in caplog.text)
        assert not worker.status[0].connected
        await scripted.start()
        await scripted.session()
        await eventually(lambda: worker.status[0].connected)


async def test_a_worker_gives_up_if_it_is_told_how_long_to_wait(scripted, recorder):
    await scripted.stop()
    with pytest.raises(Unavailable):
        await Worker(scripted.target, [recorder.projection()], patience=0.3).run()


async def test_a_broken_call_is_made_again_and_its_leases_are_lost(scripted, recorder, working, eventually):
    recorder.holding = {1}
    async with working(recorder.projection()) as worker:
        session = await scripted.session()
        session.events(session.assign(), 1)
        await recorder.until(lambda: recorder.entered == [1])
        await scripted.stop()
        await recorder.until(lambda: recorder.cancelled == [1])
        await eventually(lambda: not worker.status[0].connected and not worker.status[0].held)
        await scripted.start()
        session = await scripted.session(2)
        await eventually(lambda: worker.status[0].connected)


async def test_a_server_that_shuts_down_is_left_at_once_and_without_a_warning(scripted, recorder, working, caplog):
    async with working(recorder.projection()):
        (await scripted.session()).end("SHUTTING_DOWN", SECOND)
        await scripted.session(2)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_server_without_its_database_is_asked_again(scripted, recorder, working, eventually):
    async with working(recorder.projection()) as worker:
        (await scripted.session()).end("DATABASE_UNAVAILABLE")
        await scripted.session(2)
        await eventually(lambda: worker.status[0].connected)


async def test_a_connected_worker_outlives_an_internal_error(scripted, recorder, working):
    async with working(recorder.projection()):
        (await scripted.session()).end("INTERNAL")
        await scripted.session(2)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("INVALID_REQUEST", InvalidRequest), ("PERMISSION_DENIED", PermissionDenied), ("UNAUTHENTICATED", Unauthenticated)],
)
async def test_a_refusal_ends_the_worker_and_names_the_projection(scripted, recorder, reason, kind):
    scripted.refusal = (reason, ())
    with pytest.raises(kind) as caught:
        await Worker(scripted.target, [recorder.projection()]).run()
    assert caught.value.__notes__ == ["projection Orders"]


async def test_one_refused_projection_ends_the_others_which_give_back_their_leases(scripted, recorder):
    worker = Worker(scripted.target, [recorder.projection("One"), recorder.projection("Two")])
    task = asyncio.create_task(worker.run())
    first, second = await scripted.session(1), await scripted.session(2)
    key = first.assign()
    await first.next("start")
    second.end("INVALID_REQUEST")
    assert (await first.next("released")).lease == key
    with pytest.raises(InvalidRequest) as caught:
        await task
    assert caught.value.__notes__ == [f"projection {second.hello.projection}"]


async def test_a_token_that_was_renewed_is_sent_again(scripted, recorder, working):
    tokens = iter(["old", "new"])
    scripted.refusal = ("UNAUTHENTICATED", ())
    async with working(recorder.projection(), token=lambda: next(tokens)):
        session = await scripted.session(1)
        scripted.refusal = None
        again = await scripted.session(2)
        assert (session.metadata["authorization"], again.metadata["authorization"]) == ("Bearer old", "Bearer new")


async def test_a_silent_server_loses_its_worker(scripted, recorder, working, eventually):
    scripted.lease = 1.0
    recorder.holding = {1}
    async with working(recorder.projection()) as worker:
        session = await scripted.session()
        session.beating = False
        session.events(session.assign(), 1)
        await recorder.until(lambda: recorder.entered == [1])
        await recorder.until(lambda: recorder.cancelled == [1])
        await session.ended.wait()
        assert session.all("released") == []
        scripted.lease = 30.0
        await scripted.session(2)
        await eventually(lambda: worker.status[0].connected)


class Proxy:
    """Passes bytes on, until its connections are cut without a word; new ones pass."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = asyncio.Event()
        self._open.set()
        self._writers = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.target = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def cut(self) -> None:
        self._open.clear()
        self._open = asyncio.Event()
        self._open.set()

    async def _connected(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]
        way = self._open
        await asyncio.gather(self._pass(way, reader, back), self._pass(way, there, writer))

    async def _pass(self, way, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not way.is_set():
                    continue
                writer.write(data)
                await writer.drain()
            writer.close()


async def test_a_cut_connection_is_left_for_a_new_one(scripted, recorder, working, eventually):
    scripted.lease = 2.0
    async with Proxy(scripted.port) as proxy, working(recorder.projection(), server=proxy.target, timeout=60.0) as worker:
        session = await scripted.session(1)
        session.assign()
        await session.next("start")
        proxy.cut()
        await eventually(lambda: not worker.status[0].held)
        await scripted.session(2)
        await eventually(lambda: worker.status[0].connected)


async def test_a_server_that_does_not_welcome_is_left(scripted, recorder, working):
    scripted.welcoming = False
    async with working(recorder.projection(), timeout=0.3):
        await scripted.session(1)
        scripted.welcoming = True
        await scripted.session(2)


async def test_a_first_message_that_is_no_welcome_is_not_taken(scripted, recorder, working):
    scripted.welcoming = False
    async with working(recorder.projection()):
        (await scripted.session(1)).say(heartbeat={})
        scripted.welcoming = True
        session = await scripted.session(2)
        session.assign()
        await session.next("start")


async def test_a_server_that_floods_a_partition_is_left(scripted, recorder, working):
    recorder.holding = {1}
    async with working(recorder.projection()):
        session = await scripted.session()
        key = session.assign()
        for position in range(1, 200):
            session.events(key, position)
        await scripted.session(2)
        await recorder.until(lambda: recorder.cancelled == [1])


async def test_what_is_said_under_unknown_leases_is_passed_over(scripted, recorder, working):
    async with working(recorder.projection()):
        session = await scripted.session()
        key = session.assign()
        await session.next("start")
        wrong = type(key)(build=1, partition=0, token=99)
        session.events(wrong, 1)
        session.progress(wrong, 5)
        session.parked(wrong, 5)
        session.revoke(wrong, lost=True)
        session.say()  # what a later version might say
        session.revoke(wrong)
        assert (await session.next("released")).lease == wrong
        session.events(key, 1)
        assert (await session.next("handled")).lease == key
        assert recorder.handled == [1]


async def test_a_handler_that_blocks_the_loop_is_warned_of(scripted, recorder, working, caplog):
    scripted.lease = 1.0

    async def blocks(_event):
        time.sleep(0.9)  # noqa: ASYNC251 - what must not be done

    recorder.handle = blocks
    async with working(recorder.projection(retry=ONCE)):
        session = await scripted.session()
        session.events(session.assign(), 1)
        async with asyncio.timeout(20):
            while "stood still" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_several_projections_have_a_call_each(scripted, recorder, working):
    async with working(recorder.projection("One"), recorder.projection("Two")):
        names = {(await scripted.session(number)).hello.projection for number in (1, 2)}
        assert names == {"One", "Two"}


async def test_two_servers_one_after_the_other(recorder, working, eventually):
    server = await Scripted().start()
    async with working(recorder.projection(), server=server.target) as worker:
        for number in (1, 2, 3):
            await server.session(number)
            await server.stop()
            await eventually(lambda: not worker.status[0].connected)
            await server.start()
        await server.session(4)
    await server.stop()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"max_partitions": -1}, "max_partitions"),
        ({"drain_seconds": -1}, "drain_seconds"),
        ({"patience": 0}, "patience"),
    ],
)
async def test_a_wrong_argument_is_named(recorder, options, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        Worker("localhost:1", [recorder.projection()], **options)


async def test_a_worker_needs_projections_with_names_of_their_own(recorder):
    with pytest.raises(ValueError, match=r"^definitions: "):
        Worker("localhost:1", [])
    with pytest.raises(ValueError, match=r"^definitions: two projections are called Orders"):
        Worker("localhost:1", [recorder.projection(), recorder.projection()])
