"""SubscribeAll: what comes first, the order, catching up, live, falling behind, heartbeats, and leaving."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
from mink.v1 import event_store_pb2 as pb
from mink.v1.expectation_pb2 import ANY

from tests.rpc.conftest import Client, connected, event, metric, new_name, rest_of, to, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess


class Subscriber:
    """A subscription and what it has been told; every message is checked against the contract."""

    def __init__(self, client: Client, **how: Any) -> None:
        self.call = client.store.SubscribeAll(pb.SubscribeAllRequest(**how))
        self.messages: list[pb.SubscribeAllResponse] = []
        self.times: list[float] = []
        self.positions: list[int] = []
        self.position = -1
        self.paused = asyncio.Event()
        self.paused.set()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while (message := await self.call.read()) is not grpc.aio.EOF:
            kind = message.WhichOneof("message")
            body = getattr(message, kind)
            assert abs(body.server_time.ToNanoseconds() / 1e9 - time.time()) < 60
            assert body.position >= self.position, "the position went back"
            if kind == "events":
                assert body.events
                for one in body.events:
                    assert one.position > max(self.position, 0), "an event twice, or out of order, or after it was said to be sent"
                    assert one.position <= body.position
                    assert not self.positions or one.position > self.positions[-1]
                    self.positions.append(one.position)
            self.position = body.position
            self.messages.append(message)
            self.times.append(time.monotonic())
            await self.paused.wait()

    def kinds(self) -> list[str]:
        return [message.WhichOneof("message") for message in self.messages]

    async def reach(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if self.task.done():
                self.task.result()
            assert time.monotonic() < end, f"waited in vain: {self.kinds()[-5:]} at {self.position}"
            await asyncio.sleep(0.01)

    async def caught_up(self) -> None:
        await self.reach(lambda: "caught_up" in self.kinds())

    async def leave(self) -> None:
        self.call.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_checkpoint_comes_first_then_events_in_order_then_what_is_live(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_CHECKPOINT_SECONDS="0.3")) as client:
        for _ in range(3):
            await client.append("A", *[event() for _ in range(1000)])
        subscriber = Subscriber(client)
        await subscriber.caught_up()
        first = subscriber.messages[0].checkpoint
        assert (first.position, first.head, first.log_id) == (0, 3000, await client.log_id())
        kinds = subscriber.kinds()
        assert kinds[0] == "checkpoint"
        assert subscriber.positions == list(range(1, 3001))
        assert subscriber.messages[kinds.index("caught_up")].caught_up.position == 3000
        await client.append("B", event(), event())
        await subscriber.reach(lambda: len(subscriber.positions) == 3002)
        await asyncio.gather(*(client.append(f"S{i}", event()) for i in range(100)))
        await subscriber.reach(lambda: len(subscriber.positions) == 3102)
        assert subscriber.positions == list(range(1, 3103))
        assert subscriber.kinds().count("caught_up") == 1
        assert "fell_behind" not in subscriber.kinds()
        before = len(subscriber.messages)
        await asyncio.sleep(1.2)
        quiet = subscriber.messages[before:]
        assert 2 <= len(quiet) <= 6
        assert all((m.checkpoint.position, m.checkpoint.head) == (3102, 3102) for m in quiet)
        await subscriber.leave()


async def test_what_is_live_comes_soon(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_CHECKPOINT_SECONDS="30")) as client:
        subscriber = Subscriber(client)
        await subscriber.caught_up()
        for i in range(1, 6):
            await client.append("A", event())
            await subscriber.reach(lambda i=i: len(subscriber.positions) == i, 2)
        await subscriber.leave()


async def test_where_a_subscription_begins(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await client.append("A", *[event() for _ in range(10)])
        subscribers = {
            1: Subscriber(client, after_position=0),
            2: Subscriber(client, after_position=1, log_id=await client.log_id()),
            10: Subscriber(client, after_position=9),
            11: Subscriber(client, after_position=10),
            11.5: Subscriber(client, from_end=True),
        }
        for subscriber in subscribers.values():
            await subscriber.caught_up()
        await client.append("A", event())
        for first, subscriber in subscribers.items():
            await subscriber.reach(lambda subscriber=subscriber: subscriber.position == 11)
            assert subscriber.positions == list(range(int(first), 12))
            assert subscriber.messages[0].checkpoint.position == int(first) - 1
            await subscriber.leave()


async def test_an_empty_log_is_followed_from_its_first_event(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        subscribers = [Subscriber(client), Subscriber(client, from_end=True), Subscriber(client, after_position=0)]
        for subscriber in subscribers:
            await subscriber.caught_up()
            assert subscriber.kinds() == ["checkpoint", "caught_up"]
            assert subscriber.messages[0].checkpoint.head == 0
        await client.append("A", event())
        for subscriber in subscribers:
            await subscriber.reach(lambda subscriber=subscriber: subscriber.positions == [1])
            await subscriber.leave()


async def test_filters_choose_in_both_modes(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        names, types = ("Order-1", "Order-2", "Orders", "Cart_1-x", "CartX1-x"), ("A", "B")

        async def fill() -> None:
            for name in names:
                for kind in types:
                    await client.append(name, event(kind))

        def wanted(choose: Callable[[str, str], bool]) -> list[int]:
            every = [(n, t) for _ in range(2) for n in names for t in types]
            return [i for i, (n, t) in enumerate(every, 1) if choose(n, t)]

        filters: list[tuple[pb.EventFilter, Callable[[str, str], bool]]] = [
            (pb.EventFilter(), lambda n, t: True),
            (pb.EventFilter(streams=["Order-1", "Orders"]), lambda n, t: n in ("Order-1", "Orders")),
            (pb.EventFilter(stream_prefixes=["Cart_"]), lambda n, t: n == "Cart_1-x"),
            (pb.EventFilter(stream_prefixes=["Order"]), lambda n, t: n.startswith("Order")),
            (pb.EventFilter(categories=["Order"]), lambda n, t: n in ("Order-1", "Order-2")),
            (pb.EventFilter(types=["B"]), lambda n, t: t == "B"),
            (
                pb.EventFilter(types=["B"], categories=["Order"], streams=["Orders"]),
                lambda n, t: t == "B" and n.startswith("Order"),
            ),
        ]
        await fill()
        subscribers = [(Subscriber(client, filter=where), choose) for where, choose in filters]
        for subscriber, _ in subscribers:
            await subscriber.caught_up()
        await fill()
        await client.append("Order-1", event("B"))
        for subscriber, choose in subscribers:
            count = len(wanted(choose))
            await subscriber.reach(lambda subscriber=subscriber, count=count: len(subscriber.positions) >= count)
            assert subscriber.positions[:count] == wanted(choose)
            await subscriber.leave()


async def test_a_filter_that_matches_nothing_gets_checkpoints_that_advance(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_CHECKPOINT_SECONDS="0.2", MINK_TAIL_BYTES="2000000")
    async with connected(process) as client:
        for _ in range(4):
            await client.append("A", *[event() for _ in range(2000)])
        subscriber = Subscriber(client, filter=pb.EventFilter(types=["Never"]))
        await subscriber.caught_up()
        assert subscriber.position == 8000
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            await client.append("A", *[event() for _ in range(10)])
            await asyncio.sleep(0.02)
        head = await client.head()
        await subscriber.reach(lambda: subscriber.position == head)
        live = [m.checkpoint.position for m in subscriber.messages if m.HasField("checkpoint") and m.checkpoint.position > 8000]
        assert len(set(live)) >= 4, "no heartbeat while only others' events came"
        gaps = [b - a for a, b in zip(subscriber.times, subscriber.times[1:], strict=False)]
        assert max(gaps) < 1.5
        assert subscriber.positions == []
        assert not any(m.HasField("events") for m in subscriber.messages)
        await subscriber.leave()


async def test_a_slow_subscriber_falls_behind_and_gets_everything(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_TAIL_BYTES="1000000", MINK_CHECKPOINT_SECONDS="0.5")
    async with connected(process) as client:
        slow, quick = Subscriber(client), Subscriber(client)
        for subscriber in (slow, quick):
            await subscriber.caught_up()
        slow.paused.clear()
        payload = bytes(100_000)
        for _ in range(30):
            await client.append("A", *[event(binary=payload) for _ in range(20)])
        await quick.reach(lambda: quick.position == 600)
        assert slow.position < 600
        slow.paused.set()
        await slow.reach(lambda: slow.position == 600)
        await client.append("A", event())
        await slow.reach(lambda: slow.position == 601)
        for subscriber in (slow, quick):
            assert subscriber.positions[:600] == list(range(1, 601))
        kinds = slow.kinds()
        assert "fell_behind" in kinds
        assert "caught_up" in kinds[kinds.index("fell_behind") :]
        assert await metric(process, "mink_subscribers_fell_behind_total") >= 1
        for subscriber in (slow, quick):
            await subscriber.leave()


async def test_a_server_without_a_tail_in_memory_serves_too(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_TAIL_BYTES="0")) as client:
        subscriber = Subscriber(client)
        await subscriber.caught_up()
        for _ in range(20):
            await client.append("A", event(), event())
        await subscriber.reach(lambda: len(subscriber.positions) == 40)
        assert subscriber.positions == list(range(1, 41))
        await subscriber.leave()


async def test_many_subscribers_get_the_same_while_many_write(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        subscribers = [Subscriber(client, after_position=0) for _ in range(10)]

        async def write(number: int) -> None:
            for i in range(20):
                await client.append(f"S{number}", *[event() for _ in range(1 + i % 3)])

        await asyncio.gather(*(write(i) for i in range(16)))
        late = [Subscriber(client) for _ in range(3)]
        head = await client.head()
        for subscriber in subscribers + late:
            await subscriber.reach(lambda subscriber=subscriber: subscriber.position >= head)
            assert subscriber.positions == list(range(1, head + 1))
            await subscriber.leave()


async def test_removed_events_are_passed_over(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_CHECKPOINT_SECONDS="0.3")) as client:
        subscriber = Subscriber(client)
        await subscriber.caught_up()
        await client.append("A", event(), event(), event())
        await client.append("B", event())
        await client.store.TruncateStream(pb.TruncateStreamRequest(stream="A", before_version=3))
        await client.store.DeleteStream(pb.DeleteStreamRequest(stream="B", state=ANY))
        await client.append("C", event())
        await subscriber.reach(lambda: subscriber.position == 5)
        assert subscriber.positions == [1, 2, 3, 4, 5] or subscriber.positions[-1] == 5
        late = Subscriber(client)
        await late.reach(lambda: late.position == 5)
        assert late.positions == [3, 5]
        for one in (subscriber, late):
            await one.leave()
        # The newest event gone: the subscriber is told of its position all the same.
        await client.store.DeleteStream(pb.DeleteStreamRequest(stream="C", state=ANY))
        last = Subscriber(client, after_position=3)
        await last.caught_up()
        assert (last.positions, last.position) == ([], 5)
        await last.leave()


async def test_two_servers_subscribers_hear_of_each_others_events(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as first, connected(start_server()) as second:
        subscribers = [Subscriber(first), Subscriber(second)]
        for subscriber in subscribers:
            await subscriber.caught_up()
        await asyncio.gather(*(client.append(f"S{i % 7}", event()) for i in range(60) for client in (first, second)))
        for subscriber in subscribers:
            await subscriber.reach(lambda subscriber=subscriber: len(subscriber.positions) == 120)
            assert subscriber.positions == list(range(1, 121))
            await subscriber.leave()
        # What the other server has just committed can be asked for here.
        done = await first.append("A", event())
        call = second.store.SubscribeAll(pb.SubscribeAllRequest(after_position=done.last_position))
        assert (await call.read()).checkpoint.position == done.last_position
        call.cancel()


async def subscribers_in(process: MinkProcess) -> float:
    total = 0.0
    for mode in ("live", "catching_up"):
        try:
            total += await metric(process, f'mink_subscribers{{mode="{mode}"}}')
        except AssertionError:
            continue  # never used
    return total


async def test_a_subscriber_that_leaves_frees_its_place(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_MAX_SUBSCRIPTIONS="5")
    async with connected(process) as client:
        await client.append("A", *[event(binary=bytes(100_000)) for _ in range(30)])
        for _ in range(3):
            subscribers = [Subscriber(client, from_end=True) for _ in range(4)]
            for subscriber in subscribers:
                await subscriber.caught_up()
            # One that reads nothing, and so is stuck in the middle of a write.
            stuck = client.store.SubscribeAll(pb.SubscribeAllRequest())
            assert (await stuck.read()).HasField("checkpoint")
            await until(lambda: _is(process, 5))
            stuck.cancel()
            for subscriber in subscribers:
                await subscriber.leave()
            await until(lambda: _is(process, 0))
    async with connected(process) as client:
        subscriber = Subscriber(client, from_end=True)
        await subscriber.caught_up()
        await until(lambda: _is(process, 1))
    # The channel is closed, the call was not cancelled.
    await asyncio.gather(subscriber.task, return_exceptions=True)
    await until(lambda: _is(process, 0))
    assert "Traceback" not in process.output


async def _is(process: MinkProcess, count: int) -> bool:
    return await subscribers_in(process) == count


async def test_a_subscription_with_a_deadline_ends_with_it(client: Client) -> None:
    call = client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True), timeout=0.5)
    messages, error = await rest_of(call)
    assert error is not None
    assert error.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert messages[0].HasField("checkpoint")


async def test_a_session_answers_each_append_once_whatever_comes_together(client: Client) -> None:
    """The other call without an end: thousands in flight, results in any order, ids of the caller's choice."""
    prefix = new_name()
    call = client.store.AppendSession()
    wanted = {}

    async def write() -> None:
        number = 0
        for _ in range(30):
            appends = []
            for _ in range(100):
                number += 1
                request_id = (-1) ** number * number * 10**12
                stream = f"{prefix}-{number % 50}"
                appends.append(pb.SessionAppend(request_id=request_id, to_stream=to(stream, event(), event())))
                wanted[request_id] = stream
            await call.write(pb.AppendSessionRequest(appends=appends))
        await call.done_writing()

    async def read() -> list[pb.SessionResult]:
        results = []
        while (response := await call.read()) is not grpc.aio.EOF:
            results += response.results
        return results

    _, results = await asyncio.gather(write(), read())
    assert sorted(result.request_id for result in results) == sorted(wanted)
    positions: set[int] = set()
    versions: dict[str, list[int]] = {}
    for result in results:
        assert result.WhichOneof("result") == "to_stream", result
        assert result.to_stream.last_position == result.to_stream.first_position + 1
        positions |= {result.to_stream.first_position, result.to_stream.last_position}
        versions.setdefault(wanted[result.request_id], []).append(result.to_stream.version)
    assert len(positions) == 6000
    assert max(positions) - min(positions) == 5999
    assert all(sorted(found) == list(range(2, 121, 2)) for found in versions.values())
