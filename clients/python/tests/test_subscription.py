import asyncio
import logging
import socket
import time

import grpc
import pytest
from mink.v1 import errors_pb2
from mink.v1 import event_store_pb2 as es
from mink_client import ClientClosed, Mink, PositionAhead, Unavailable

LOG = "11111111-1111-7111-8111-111111111111"


class Say:
    """The messages of a subscription."""

    def __init__(self, fakes):
        self.fakes = fakes

    def events(self, *positions, position=None):
        batch = es.EventBatch(events=[self.fakes.event(p) for p in positions], position=position or positions[-1])
        return es.SubscribeAllResponse(events=batch)

    def checkpoint(self, position, head=0):
        return es.SubscribeAllResponse(checkpoint=es.Checkpoint(position=position, head=head, log_id=LOG))

    def caught_up(self, position):
        return es.SubscribeAllResponse(caught_up=es.CaughtUp(position=position))

    def fell_behind(self, position):
        return es.SubscribeAllResponse(fell_behind=es.FellBehind(position=position))


@pytest.fixture
def say(fakes):
    return Say(fakes)


async def take(events, count):
    found = []
    async for event in events:
        found.append(event.position)
        if len(found) == count:
            break
    return found


async def test_events_come_in_order_and_the_filter_goes_to_the_server(mink, server, say):
    async def follow(request, context):
        yield say.checkpoint(0, head=3)
        yield say.events(1, 2)
        yield say.events(3)
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all(after=0, types=["A"], streams=["s"], stream_prefixes=["p"], categories=["c"]) as events:
        assert await take(events, 3) == [1, 2, 3]
    request = server.requests[0]
    assert request.WhichOneof("start") == "after_position"
    assert [list(getattr(request.filter, f)) for f in ("types", "streams", "stream_prefixes", "categories")] == [
        ["A"],
        ["s"],
        ["p"],
        ["c"],
    ]


async def test_the_position_is_behind_what_was_delivered_and_no_further(mink, server, say):
    async def follow(request, context):
        yield say.checkpoint(0, head=9)
        yield say.events(1, 3, position=5)
        yield say.caught_up(7)
        yield say.events(8)
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all() as events:
        seen = []
        async for event in events:
            seen.append((event.position, events.position, events.caught_up, events.head, events.lag))
            if event.position == 8:
                break
    assert seen == [(1, 1, False, 9, 8), (3, 3, False, 9, 6), (8, 8, True, 9, 1)]


async def test_whoever_breaks_off_and_iterates_again_goes_on_with_the_next_event(mink, server, say):
    async def follow(request, context):
        yield say.checkpoint(0)
        yield say.events(1, 2, 3, 4)
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all() as events:
        assert await take(events, 1) == [1]
        assert await take(events, 2) == [2, 3]
        async for batch in events.batches():
            assert [e.position for e in batch] == [4]
            break


async def test_batches_come_as_they_were_sent_and_tell_of_idle_times_if_asked(mink, server, say):
    async def follow(request, context):
        yield say.checkpoint(0)
        yield say.events(1, 2, position=4)
        yield say.checkpoint(6)
        yield say.caught_up(6)
        yield say.fell_behind(7)
        yield say.events(8)
        await asyncio.sleep(100)

    server.on_stream = follow
    for idle in (False, True):
        async with mink.subscribe_all() as events:
            seen = []
            async for batch in events.batches(idle=idle):
                seen.append(([e.position for e in batch], events.position, events.caught_up))
                if events.position == 8:
                    break
        if idle:
            assert seen == [
                ([], 0, False),
                ([], 0, False),
                ([1, 2], 4, False),
                ([], 6, False),
                ([], 6, True),
                ([], 7, False),
                ([8], 8, False),
            ]
        else:
            assert seen == [([1, 2], 4, False), ([8], 8, False)]


@pytest.mark.parametrize("how", ["broken", "ended", "draining"])
async def test_a_subscription_that_is_interrupted_carries_on_after_the_last_position(mink, server, say, fakes, caplog, how):
    caplog.set_level(logging.INFO, logger="mink_client")

    async def follow(request, context):
        at = request.after_position
        yield say.checkpoint(at)
        yield say.events(at + 1, at + 2, position=at + 5)
        if how == "broken":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
        if how == "draining":
            await fakes.abort(context, fakes.status("SHUTTING_DOWN", fakes.retry(0.01)))

    server.on_stream = follow
    async with mink.subscribe_all(after=10) as events:
        assert await take(events, 6) == [11, 12, 16, 17, 21, 22]
    assert [(r.after_position, r.log_id) for r in server.requests] == [(10, ""), (15, LOG), (20, LOG)]
    said = [r for r in caplog.records if "interrupted" in r.getMessage()]
    # A server that ends a call on purpose, for its age or to stop, is no reason to warn.
    assert [r.levelno for r in said] == [logging.INFO if how == "draining" else logging.WARNING] * 2
    assert "15" in said[0].getMessage()


async def test_a_subscription_survives_a_restart_of_the_server(mink, server, say):
    async def follow(request, context):
        at = request.after_position
        yield say.checkpoint(at)
        for position in range(at + 1, at + 4):
            yield say.events(position)
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all() as events:
        assert await take(events, 3) == [1, 2, 3]
        await server.stop()
        waiting = asyncio.create_task(take(events, 3))
        await asyncio.sleep(0.3)
        await server.start()
        started = time.monotonic()
        assert await waiting == [4, 5, 6]
        assert time.monotonic() - started < 2


async def test_silence_counts_as_broken(mink, server, say, caplog):
    async def follow(request, context):
        yield say.checkpoint(request.after_position)
        yield say.events(request.after_position + 1)
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all(silence_timeout=0.2) as events:
        assert await take(events, 2) == [1, 2]
    assert len([r for r in caplog.records if "no message" in r.getMessage()]) == 1


async def test_a_follower_from_the_end_carries_on_from_where_it_was(mink, server, say):
    async def follow(request, context):
        if len(server.requests) == 1:
            assert request.from_end
            yield say.checkpoint(40)
            return
        assert request.WhichOneof("start") == "after_position"
        yield say.events(request.after_position + 1)
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all(from_end=True) as events:
        assert await take(events, 1) == [41]


async def test_a_position_ahead_is_final(mink, server, fakes):
    async def refuse(request, context):
        detail = errors_pb2.PositionAhead(position=99, head=5, log_id=LOG)
        await fakes.abort(context, fakes.status("POSITION_AHEAD", detail))
        yield es.SubscribeAllResponse()

    server.on_stream = refuse
    with pytest.raises(PositionAhead) as caught:
        async with mink.subscribe_all(after=99) as events:
            await take(events, 1)
    assert (caught.value.position, caught.value.head, caught.value.log_id) == (99, 5, LOG)
    assert len(server.requests) == 1


async def test_a_server_that_never_answered_is_given_up():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Mink(f"127.0.0.1:{taken.getsockname()[1]}", timeout=0.4) as mink, mink.subscribe_all() as events:
            with pytest.raises(Unavailable, match="cannot reach Mink"):
                await take(events, 1)


async def test_leaving_the_block_ends_the_call(mink, server, say, eventually):
    async def follow(request, context):
        yield say.checkpoint(0)
        yield say.events(1)
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all() as events:
        await take(events, 1)
    await eventually(lambda: server.ended == ["cancelled"])
    with pytest.raises(ClientClosed):
        await take(events, 1)


async def test_a_client_that_is_closed_ends_its_subscriptions_with_a_clear_error(server, say, eventually):
    async def follow(request, context):
        yield say.checkpoint(0)
        await asyncio.sleep(100)

    server.on_stream = follow

    async def consume(mink):
        async with mink.subscribe_all() as events:
            await take(events, 1)

    async with Mink(server.target) as mink:
        consumer = asyncio.create_task(consume(mink))
        await eventually(lambda: server.requests)
        await asyncio.sleep(0.05)
    with pytest.raises(ClientClosed):
        await consumer


async def test_a_client_that_is_closed_while_a_subscription_waits_to_connect_again_ends_it(server, say, eventually):
    async def follow(request, context):
        yield say.checkpoint(0)
        await asyncio.sleep(100)

    server.on_stream = follow

    async def consume(mink):
        async with mink.subscribe_all() as events:
            await take(events, 1)

    async with Mink(server.target) as mink:
        consumer = asyncio.create_task(consume(mink))
        await eventually(lambda: server.requests)
        await server.stop()
        await asyncio.sleep(0.2)
    with pytest.raises(ClientClosed):
        await asyncio.wait_for(consumer, 5)


async def test_a_consumer_that_is_cancelled_is_cancelled(mink, server, say, eventually):
    async def follow(request, context):
        yield say.checkpoint(0)
        await asyncio.sleep(100)

    server.on_stream = follow

    async def consume():
        async with mink.subscribe_all() as events:
            await take(events, 1)

    consumer = asyncio.create_task(consume())
    await eventually(lambda: server.requests)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    await eventually(lambda: server.ended == ["cancelled"])


async def test_a_slow_consumer_holds_the_server_back(mink, server, say, fakes):
    sent = 0

    async def follow(request, context):
        nonlocal sent
        yield say.checkpoint(0)
        for position in range(1, 2000):
            event = fakes.event(position)
            event.json = '"' + "x" * 100_000 + '"'
            yield es.SubscribeAllResponse(events=es.EventBatch(events=[event], position=position))
            sent += 1
        await asyncio.sleep(100)

    server.on_stream = follow
    async with mink.subscribe_all() as events:
        await take(events, 1)
        await asyncio.sleep(1.0)
        assert sent < 1000  # 200 MB in all; what is held back is bounded by the windows of HTTP/2
