"""What a worker says first, and what is no way to begin."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2
from mink.v1 import event_store_pb2
from mink.v1 import projections_pb2 as pb

from tests.rpc.conftest import Client, Told, connected, event, new_name, rest_of, told, until
from tests.support.raw_worker import RawWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess


async def refusal(client: Client, *requests: pb.RunRequest | bytes) -> Told:
    """How a call ends that says this."""
    call = client.channel.stream_stream("/mink.v1.Projections/Run", response_deserializer=pb.RunResponse.FromString)()
    with suppress(grpc.aio.AioRpcError):  # it may have ended before all is said
        for request in requests:
            await call.write(request if isinstance(request, bytes) else request.SerializeToString())
    messages, error = await rest_of(call)
    assert error is not None, messages
    return error


def hello(**fields: Any) -> pb.RunRequest:
    return pb.RunRequest(hello=pb.Hello(**{"projection": new_name(), "worker": "w"} | fields))


MANY = event_store_pb2.EventFilter(types=["T"] * 1001)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"projection": ""}, ["hello.projection"]),
        ({"projection": "x" * 201}, ["hello.projection"]),
        ({"projection": "a\nb"}, ["hello.projection"]),
        ({"worker": ""}, ["hello.worker"]),
        ({"worker": "x" * 201}, ["hello.worker"]),
        ({"worker": "a\x00b"}, ["hello.worker"]),
        ({"filter": MANY}, ["hello.filter"]),
        ({"filter": event_store_pb2.EventFilter(streams=["A", ""])}, ["hello.filter.streams[1]"]),
        ({"filter": event_store_pb2.EventFilter(types=["x" * 256])}, ["hello.filter.types[0]"]),
        ({"revision": -1}, ["hello.revision"]),
        ({"partitions": -1}, ["hello.partitions"]),
        ({"partitions": 257}, ["hello.partitions"]),
        ({"max_partitions": -1}, ["hello.max_partitions"]),
        ({"after_position": -1}, ["hello.after_position"]),
        ({"from_end": False}, ["hello.from_end"]),
        ({"on_new_revision": 3}, ["hello.on_new_revision"]),
        (
            {"projection": "", "worker": "", "revision": -1, "partitions": 300, "max_partitions": -2, "on_new_revision": 9},
            [
                "hello.projection",
                "hello.worker",
                "hello.revision",
                "hello.partitions",
                "hello.max_partitions",
                "hello.on_new_revision",
            ],
        ),
    ],
)
async def test_every_field_that_is_wrong_is_named(client: Client, fields: dict[str, Any], wrong: list[str]) -> None:
    assert (await refusal(client, hello(**fields))).fields == wrong


async def test_what_is_not_said_has_a_default(client: Client) -> None:
    name = new_name()
    worker = await RawWorker(client.channel, name).start()
    await worker.until(lambda: worker.leases)
    assert worker.welcome.lease.ToMilliseconds() == 5000
    assert worker.welcome.heartbeat_interval.ToMilliseconds() == 1000
    assert worker.welcome.log_id == await client.log_id()
    shown = await client.projection(name)
    assert (shown.live.build, shown.live.revision, len(shown.live.partitions)) == (1, 1, 1)
    assert not shown.live.HasField("filter")
    assert [(one.worker_id, one.worker, one.revision) for one in shown.workers] == [(worker.welcome.worker_id, "worker", 1)]
    await worker.stop()


@pytest.mark.parametrize(
    "request_",
    [pb.RunRequest(), pb.RunRequest(heartbeat=pb.WorkerHeartbeat()), pb.RunRequest(start=pb.Start(lease=pb.LeaseKey(token=1)))],
)
async def test_the_first_message_must_be_a_hello(client: Client, request_: pb.RunRequest) -> None:
    assert (await refusal(client, request_)).fields == ["hello"]


async def test_who_says_nothing_is_not_waited_for(client: Client) -> None:
    call = client.projections.Run()
    await call.done_writing()
    _, error = await rest_of(call)
    assert error is not None
    assert error.fields == ["hello"]
    _, error = await rest_of(client.projections.Run())
    assert error is not None
    assert error.fields == ["hello"]
    assert "within 5 seconds" in error.message


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("nonsense", "said"), [(b"\xff\xff", "is not a message"), (b"\x0a\x03\x0a\x01\xff", "is not a message"), (b"", "must be")]
)
async def test_what_is_no_message_ends_the_call(client: Client, nonsense: bytes, said: str, first: bool) -> None:
    error = await refusal(client, nonsense) if first else await refusal(client, hello(), nonsense)
    assert error.fields
    assert said in error.message


@pytest.mark.parametrize(
    ("late", "field"),
    [
        (hello(), "hello"),
        (pb.RunRequest(), "message"),
        (pb.RunRequest(faulted=pb.Faulted(error=pb.HandlerError(message="x" * 70_000))), ""),
    ],
)
async def test_a_later_message_that_cannot_be_right_ends_the_call(client: Client, late: pb.RunRequest, field: str) -> None:
    assert (await refusal(client, hello(), late)).fields == [field]


async def test_a_projection_cannot_begin_beyond_the_head(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await client.append("A", event(), event())
        error = await refusal(client, hello(after_position=3))
        assert (error.code, error.reason) == (grpc.StatusCode.OUT_OF_RANGE, "POSITION_AHEAD")
        assert (error.detail.position, error.detail.head, error.detail.log_id) == (3, 2, await client.log_id())
        at_the_end = await RawWorker(client.channel, "end", from_end=True).start()
        after_one = await RawWorker(client.channel, "one", after_position=1).start()
        for worker in (at_the_end, after_one):
            await worker.until(lambda worker=worker: worker.caught_up)
        await client.append("A", event())
        await at_the_end.until(lambda: at_the_end.model.positions() == [3])
        await after_one.until(lambda: after_one.model.positions() == [2, 3])

        async def stored() -> bool:
            return (await client.projection("one")).checkpoint == 3

        await until(stored)
        # Later it begins where it is, whatever the worker says.
        await after_one.stop()
        again = await RawWorker(client.channel, "one", after_position=0).start()
        await again.until(lambda: again.leases)
        assert again.got("assigned")[0].checkpoint == 3
        await again.stop()
        await at_the_end.stop()


async def test_the_same_revision_has_the_same_filter_and_partitions(client: Client) -> None:
    name = new_name()
    orders = event_store_pb2.EventFilter(categories=["Order"])
    first = await RawWorker(client.channel, name, filter=orders, partitions=2).start()
    await first.until(lambda: len(first.leases) == 2)
    error = await refusal(client, hello(projection=name, partitions=3))
    assert error.fields == ["hello.filter", "hello.partitions"]
    assert "give the code a new revision" in error.message
    error = await refusal(client, hello(projection=name, filter=orders, revision=1, partitions=1))
    assert error.fields == ["hello.partitions"]
    second = await RawWorker(client.channel, name, filter=orders, partitions=2).start()
    await second.until(lambda: len(second.leases) == 1)
    for worker in (first, second):
        await worker.stop()


async def test_workers_count_as_subscriptions(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_SUBSCRIPTIONS="2")) as client:
        worker = await RawWorker(client.channel, "P").start()
        watch = client.projections.WatchProjections(pb.WatchProjectionsRequest())
        await watch.read()
        error = await refusal(client, hello())
        assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert isinstance(error.detail, error_details_pb2.RetryInfo)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.projections.WatchProjections(pb.WatchProjectionsRequest()).read()
        assert told(caught.value).reason == "OVERLOADED"
        watch.cancel()
        await worker.stop()

        async def there_is_room() -> bool:
            one = RawWorker(client.channel, "P")
            try:
                await one.start()
            except (AssertionError, grpc.aio.AioRpcError):
                return False
            finally:
                await one.stop()
            return True

        await until(there_is_room)
