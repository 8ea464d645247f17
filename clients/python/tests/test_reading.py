import asyncio

import grpc
import pytest
from mink.v1 import event_store_pb2 as es
from mink.v1 import snapshots_pb2
from mink_client import ClientClosed, DeadlineExceeded, Mink, StreamNotFound, Unavailable


@pytest.fixture
def log(server, fakes):
    """A server with a log of ten events, all of one stream, sent three at a time; it breaks calls off as `server.breaks` says."""
    server.breaks = []  # one entry a call: after how many messages it breaks off

    async def read(request, context):
        backwards = request.direction == es.BACKWARDS
        breaks = server.breaks.pop(0) if server.breaks else None
        if isinstance(request, es.ReadStreamRequest):
            first = request.from_version or (10 if backwards else 1)
            start = None
            if request.since_snapshot:
                first, start = 5, snapshots_pb2.Snapshot(stream="Order-1", version=4, json="{}")
            versions = range(first, 0, -1) if backwards else range(first, 11)
        else:
            start = None
            first = request.before_position - 1 if request.before_position else 10
            versions = range(first, 0, -1) if backwards else range(request.after_position + 1, 11)
        versions = list(versions)[: request.limit or None]
        batches = [versions[i : i + 3] for i in range(0, len(versions), 3)] or [[]]
        for number, batch in enumerate(batches):
            if number == breaks:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
            events = [fakes.event(v) for v in batch]
            if isinstance(request, es.ReadStreamRequest):
                yield es.ReadStreamResponse(events=events, snapshot=start if number == 0 else None, stream_version=10)
            else:
                yield es.ReadAllResponse(events=events, position=batch[-1] if batch else request.after_position, head=10)
        if breaks == len(batches):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")

    server.on_stream = read
    return server


async def test_a_stream_is_read_event_by_event(mink, log):
    found = [event async for event in mink.read_stream("Order-1")]
    assert [event.version for event in found] == list(range(1, 11))
    assert found[0].stream == "Order-1"


async def test_a_stream_is_read_in_batches(mink, log):
    assert [len(batch) async for batch in mink.read_stream_batches("Order-1")] == [3, 3, 3, 1]


@pytest.mark.parametrize("breaks", [[0], [1], [2, 1], [3, 0, 1], [4], [0, 0, 0]])
async def test_a_reading_carries_on_after_the_last_event_seen(mink, log, breaks):
    log.breaks = breaks
    assert [e.version async for e in mink.read_stream("Order-1")] == list(range(1, 11))
    log.breaks = list(breaks)
    assert [e.version async for e in mink.read_stream("Order-1", backwards=True)] == list(range(10, 0, -1))
    log.breaks = list(breaks)
    assert [e.version async for e in mink.read_stream("Order-1", from_version=2, limit=7)] == list(range(2, 9))
    log.breaks = list(breaks)
    assert [e.position async for e in mink.read_all()] == list(range(1, 11))
    log.breaks = list(breaks)
    assert [e.position async for e in mink.read_all(backwards=True)] == list(range(10, 0, -1))
    log.breaks = list(breaks)
    assert [e.position async for e in mink.read_all(after=2, limit=7)] == list(range(3, 10))
    log.breaks = list(breaks)
    assert [e.position for b in [b async for b in mink.read_all_batches(after=2)] for e in b] == list(range(3, 11))


@pytest.mark.parametrize("breaks", [[], [0], [1], [2], [1, 1]])
async def test_a_load_answers_with_the_snapshot_and_what_follows_it(mink, log, breaks):
    log.breaks = breaks
    calls = 1 + len(breaks)
    snapshot, tail = await mink.load("Order-1")
    assert snapshot.version == 4
    assert [e.version for e in tail] == list(range(5, 11))
    assert len(log.requests) == calls


async def test_a_reading_that_carried_on_ends_at_the_head_that_it_began_with(mink, server, fakes):
    async def grows(request, context):
        if request.after_position == 0:
            yield es.ReadAllResponse(events=[fakes.event(1)], position=1, head=3)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
        yield es.ReadAllResponse(events=[fakes.event(p) for p in range(2, 6)], position=5, head=5)

    server.on_stream = grows
    assert [e.position async for e in mink.read_all()] == [1, 2, 3]


async def test_a_reading_that_fails_for_good_is_not_tried_again(mink, server, fakes):
    async def refuse(request, context):
        await fakes.abort(context, fakes.status("STREAM_NOT_FOUND"))
        yield es.ReadStreamResponse()

    server.on_stream = refuse
    with pytest.raises(StreamNotFound):
        await mink.load("Order-404")
    assert len(server.requests) == 1


async def test_a_server_that_stays_away_is_given_up(mink, server, fakes):
    async def away(request, context):
        await fakes.abort(context, fakes.status("DATABASE_UNAVAILABLE", fakes.retry(0.02)))
        yield es.ReadStreamResponse()

    server.on_stream = away
    with pytest.raises(Unavailable):
        _ = [e async for e in mink.read_stream("Order-1", timeout=0.3)]
    assert len(server.requests) > 2


async def test_a_server_that_does_not_answer_is_given_up(mink, server):
    async def silent(request, context):
        await asyncio.sleep(100)
        yield es.ReadStreamResponse()

    server.on_stream = silent
    with pytest.raises(DeadlineExceeded):
        _ = [e async for e in mink.read_stream("Order-1", timeout=0.2)]


async def test_whoever_breaks_off_ends_the_call(mink, server, fakes, eventually):
    async def endless(request, context):
        while True:
            yield es.ReadAllResponse(events=[fakes.event(1)], position=1, head=100)
            await asyncio.sleep(0.001)

    server.on_stream = endless
    async for event in mink.read_all():
        assert event.position == 1
        break
    await eventually(lambda: server.ended == ["cancelled"])


async def test_a_reader_that_is_cancelled_is_cancelled(mink, server, eventually):
    async def silent(request, context):
        await asyncio.sleep(100)
        yield es.ReadStreamResponse()

    server.on_stream = silent
    reader = asyncio.create_task(mink.load("Order-1"))
    await eventually(lambda: server.requests)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await eventually(lambda: server.ended == ["cancelled"])


async def test_a_client_that_is_closed_ends_readings_with_a_clear_error(server, eventually):
    async def silent(request, context):
        await asyncio.sleep(100)
        yield es.ReadStreamResponse()

    async def silent_unary(request, context):
        await asyncio.sleep(100)

    server.on_stream = silent
    server.on_unary = silent_unary
    async with Mink(server.target) as mink:
        readers = [asyncio.create_task(mink.load("Order-1")), asyncio.create_task(mink.get_stream("Order-1"))]
        await eventually(lambda: len(server.requests) == 2)
    for reader in readers:
        with pytest.raises(ClientClosed):
            await reader


async def test_what_goes_with_the_other_direction_is_refused(mink):
    with pytest.raises(ValueError, match="before"):
        mink.read_all(after=1, backwards=True)
    with pytest.raises(ValueError, match="after"):
        mink.read_all(before=1)
    with pytest.raises(TypeError, match="types"):
        mink.read_all(types="OrderPlaced")
