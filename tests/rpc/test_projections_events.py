"""What workers are sent: every event of their partitions, in order, once, and no faster than they handle it."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc
import pytest
from mink.v1 import event_store_pb2
from mink.v1 import projections_pb2 as pb
from mink_server.core.filters import Partition

from tests.rpc.conftest import Client, connected, event, metric, new_name, told, until
from tests.support.raw_worker import RawWorker, ReadModel, event_positions, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

KIB = 1024


async def write(client: Client, appends: int, streams: int = 20) -> None:
    for _ in range(appends):
        await client.append(f"S-{random.randrange(streams)}", *[event() for _ in range(random.randint(1, 4))])


async def handled_all(client: Client, *models: ReadModel, build: int = 1) -> None:
    """Waits until every event of the log was handled once; that order holds, the read model has looked at."""
    head = await client.head()

    async def all_there() -> bool:
        return all(len(model.positions(build)) >= head for model in models)

    await until(all_there, 60)
    for model in models:
        assert model.positions(build) == list(range(1, head + 1))


@pytest.mark.parametrize("partitions", [1, 3])
async def test_every_event_comes_once_and_in_order_however_many_write(
    start_server: Callable[..., MinkProcess], partitions: int
) -> None:
    first, second = start_server(), start_server()
    async with connected(first) as client, connected(second) as other:
        await write(client, 100)
        writing = [asyncio.create_task(write(one, 40)) for one in (client, other) for _ in range(4)]
        worker = await RawWorker(client.channel, "P", partitions=partitions).start()
        await asyncio.gather(*writing)
        await handled_all(client, worker.model)
        versions: dict[str, int] = {}
        for _, stream, version in worker.model.build().events:
            assert version == versions.get(stream, 0) + 1
            versions[stream] = version
        by_token = {token: one.lease.partition for token, one in worker.leases.items()}
        for message in worker.got("events"):
            assert len(message.SerializeToString()) < 1024 * KIB
            for one in message.events:
                assert Partition(by_token[message.lease.token], partitions).has(one.stream) or partitions == 1
        assert sorted(by_token.values()) == list(range(partitions))
        await worker.stop()


async def test_a_filter_chooses_and_progress_tells_of_the_rest(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        for i in range(30):
            await client.append(f"Order-{i}", event("Placed"), event("Shipped"))
            await client.append(f"Cart-{i}", event("Placed"))
        where = event_store_pb2.EventFilter(categories=["Order"], types=["Placed"])
        worker = await RawWorker(client.channel, "P", filter=where).start()
        await worker.until(lambda: worker.model.positions() == [1 + 3 * i for i in range(30)])
        await worker.until(lambda: worker.model.build().checkpoints.get(0) == 90)
        # What nobody wants moves on as well.
        await client.append("Cart-0", event("Placed"), event("Placed"))
        await worker.until(lambda: worker.model.build().checkpoints[0] == 92)
        assert len(worker.model.positions()) == 30

        async def is_shown() -> bool:
            shown = await client.projection("P")
            return (shown.state, shown.checkpoint, shown.head, shown.lag_events) == (pb.RUNNING, 92, 92, 0)

        await until(is_shown)
        shown = await client.projection("P")
        assert shown.live.filter == where
        assert (shown.live.partitions[0].events, shown.lag.ToMilliseconds()) == (30, 0)
        await worker.stop()


async def test_what_is_live_comes_at_once(client: Client) -> None:
    worker = await RawWorker(client.channel, new_name(), from_end=True).start()
    await worker.until(lambda: worker.caught_up)
    for i in range(1, 6):
        await client.append(new_name(), event())
        await worker.until(lambda i=i: len(worker.model.positions()) >= i, 2)
    await worker.stop()


async def test_a_worker_that_does_not_answer_is_sent_four_messages(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    async with connected(server) as client:
        for i in range(40):
            await client.append(f"S-{i % 3}", event(binary=bytes(200 * KIB)))
        slow = RawWorker(client.channel, "slow", partitions=2)
        stuck: list[pb.Events] = []

        async def leave_first_partition(events: pb.Events) -> None:
            if slow.leases[events.lease.token].lease.partition == 0:
                stuck.append(events)
            else:
                await slow.handle(events)

        slow.on_events = leave_first_partition
        await slow.start()
        other = await RawWorker(client.channel, "other").start()
        await handled_all(client, other.model)
        mine = [p for p, stream, _ in other.model.build().events if Partition(0, 2).has(stream)]
        assert 8 < len(mine) < 40, "both partitions have events"
        await slow.until(lambda: len(slow.model.positions()) == 40 - len(mine))
        await slow.until(lambda: len(stuck) == 4)

        async def nothing_is_kept() -> bool:
            return await metric(server, "mink_response_bytes_in_flight") == 0

        await until(nothing_is_kept)
        assert len(stuck) == 4
        assert not slow.caught_up.get(stuck[0].lease.token)
        # For a part of a message there is no credit, for a whole one there is.
        token = stuck[0].lease.token
        first = stuck[0]
        if len(first.events) > 1:
            await slow.say(handled=pb.Handled(lease=first.lease, position=first.events[0].position, events=1))
            await client.append("S-0", event())
            assert len(stuck) == 4
        await slow.handle(first)
        await slow.until(lambda: len(stuck) == 5)
        head, done = await client.head(), 1
        while len(slow.model.positions()) < head:
            await slow.until(lambda: len(stuck) > done)  # noqa: B023 - called at once
            await slow.handle(stuck[done])
            done += 1
        assert slow.model.positions() == list(range(1, head + 1))
        assert slow.leases[token]
        await slow.stop()
        await other.stop()


async def test_workers_that_take_nothing_hold_no_memory_and_slow_nobody(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_RESPONSE_BYTES_IN_FLIGHT=str(8 * 1024 * KIB))
    async with connected(server) as client:
        for i in range(400):
            await client.append(f"S-{i}", *[event(binary=bytes(50 * KIB)) for _ in range(2)])
        before = server.memory()
        hung = [RawWorker(client.channel, f"hung-{i}", partitions=16) for i in range(4)]
        for worker in hung:
            worker.on_events = ignore
            await worker.start()
        quick = await RawWorker(client.channel, "quick", partitions=4).start()
        await handled_all(client, quick.model)
        for worker in hung:
            await worker.until(lambda worker=worker: len(worker.got("events")) == 16 * 4, 60)
        assert server.memory() - before < 64 * 1024 * KIB
        for worker in hung:
            per_lease = [message.lease.token for message in worker.got("events")]
            assert {token: per_lease.count(token) for token in worker.leases} == dict.fromkeys(worker.leases, 4)
            await worker.stop()
        await quick.stop()


async def test_a_worker_that_does_not_read_is_cut_off_and_replaced(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_PROJECTION_LEASE="2")
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535), ("grpc.use_local_subchannel_pool", 1)]
    async with connected(server) as client, grpc.aio.insecure_channel(server.grpc_address, options=options) as channel:
        for i in range(100):
            await client.append(f"S-{i}", *[event(binary=bytes(50 * KIB)) for _ in range(4)])
        hung = RawWorker(channel, "P", partitions=8)
        reads_on = asyncio.Event()

        async def hang(_: pb.Events) -> None:
            await reads_on.wait()

        hung.on_events = hang
        await hung.start()
        await hung.until(lambda: hung.got("events"))
        other = await RawWorker(client.channel, "P", ReadModel(), partitions=8).start()
        await handled_all(client, other.model)
        assert await metric(server, 'mink_cut_off_total{doing="sending"}') == 1
        reads_on.set()
        error = await hung.ends()
        assert error is not None
        assert told(error).reason == "OVERLOADED"

        async def nothing_is_kept() -> bool:
            return await metric(server, "mink_response_bytes_in_flight") == 0

        await until(nothing_is_kept)
        await other.stop()


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (lambda key: {"handled": pb.Handled(lease=key, position=10**9)}, "handled.position"),
        (lambda key: {"handled": pb.Handled(lease=key, position=-1)}, "handled.position"),
        (lambda key: {"handled": pb.Handled(lease=key, events=-1)}, "handled.events"),
        (lambda key: {"handled": pb.Handled(lease=key, events=1)}, "handled.events"),  # all that was sent is handled
        (lambda key: {"handled": pb.Handled(lease=key, events=2**63 - 1)}, "handled.events"),
        (lambda key: {"handled": pb.Handled(lease=key, errors=-1)}, "handled.errors"),
        (lambda key: {"handled": pb.Handled(lease=key, errors=1_000_001)}, "handled.errors"),
        (lambda key: {"handled": pb.Handled(lease=key, skipped=2**63 - 1)}, "handled.skipped"),
        (lambda key: {"handled": pb.Handled(lease=key, skipped=-1)}, "handled.skipped"),
        (lambda key: {"handled": pb.Handled(lease=key, took={"seconds": -1})}, "handled.took"),
        (lambda key: {"start": pb.Start(lease=key)}, "start.lease"),
        (lambda key: {"done": pb.Done(lease=key)}, "done.lease"),
        (lambda key: {"park": pb.Park(lease=key, error=pb.HandlerError(position=10**9))}, "park.error.position"),
        (lambda key: {"park": pb.Park(lease=key, error=pb.HandlerError(position=1))}, "park.error.position"),
        (lambda key: {"faulted": pb.Faulted(lease=key, restart_after={"seconds": 86401})}, "faulted.restart_after"),
        (lambda key: {"faulted": pb.Faulted(lease=key, restart_after={"seconds": -1})}, "faulted.restart_after"),
    ],
)
async def test_what_cannot_be_right_ends_the_call_and_names_the_field(client: Client, message: Any, field: str) -> None:
    name = new_name()
    worker = await RawWorker(client.channel, name, filter=event_store_pb2.EventFilter(streams=[name])).start()
    await worker.until(lambda: worker.caught_up)
    await client.append(name, event())
    await worker.until(lambda: len(worker.model.positions()) == 1)
    (held,) = worker.leases.values()
    await worker.say(**message(held.lease))
    error = await worker.ends()
    assert error is not None
    assert told(error).fields == [field]
    # The lease is another's at once.
    other = await RawWorker(client.channel, name, worker.model, filter=worker.hello.filter).start()
    await other.until(lambda: other.leases)
    await other.stop()


async def test_what_is_said_before_start_ends_the_call(client: Client) -> None:
    for kind in ("handled", "park", "replayed"):
        worker = RawWorker(client.channel, new_name())
        worker.on_assigned = ignore
        await worker.start()
        (held,) = await worker.until(lambda worker=worker: list(worker.leases.values()))
        await worker.say(**{kind: {"lease": held.lease}})
        error = await worker.ends()
        assert error is not None
        assert told(error).fields == [f"{kind}.lease"]


async def test_events_errors_and_time_are_counted_by_projection(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    async with connected(server) as client:
        await client.append("A", *[event() for _ in range(10)])
        worker = RawWorker(client.channel, 'P "quoted"')

        async def say_so(events: pb.Events) -> None:
            took = {"nanos": 20_000_000}
            count = len(events.events)
            await worker.say(
                handled=pb.Handled(lease=events.lease, position=events.position, events=count, took=took, errors=2, skipped=1)
            )

        worker.on_events = say_so
        await worker.start()
        label = '{projection="P \\"quoted\\""}'

        async def counted() -> bool:
            return await metric(server, f"mink_projection_events_total{label}") == 10

        await until(counted)
        assert await metric(server, f"mink_projection_errors_total{label}") == 2
        assert await metric(server, f"mink_projection_duration_seconds_sum{label}") == pytest.approx(0.02)

        async def is_shown() -> bool:
            partition = (await client.projection('P "quoted"')).live.partitions[0]
            return (partition.events, partition.errors) == (10, 2) and partition.events_per_second > 0

        await until(is_shown)
        await worker.stop()
        await until(lambda: _deleted(client, 'P "quoted"'))
        with pytest.raises(AssertionError, match="is not in"):
            await metric(server, f"mink_projection_events_total{label}")


async def test_what_cannot_be_saved_of_one_projection_stops_no_other(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_PROJECTION_LEASE="60")  # rounds, which save as well, are far apart
    async with connected(server) as client:
        workers = {name: await RawWorker(client.channel, name).start() for name in ("a", "b", "c")}
        for worker in workers.values():
            await worker.until(lambda worker=worker: worker.caught_up)
        connection = await asyncpg.connect(server.env["DATABASE_URL"])
        try:
            schema = server.env["DATABASE_SCHEMA"]
            await connection.execute(f"update {schema}.projection_partitions set events = {2**63 - 1} where name = 'b'")

            async def are_saved(head: int) -> bool:
                shown = [(await client.projection(name)).live.partitions[0] for name in ("a", "c")]
                return all((one.checkpoint, one.events) == (head, head) for one in shown)

            saved_between_rounds = 0
            for head in range(1, 11):
                rounds = len(workers["a"].got("heartbeat"))
                await client.append("S", event())
                await until(lambda head=head: are_saved(head))
                saved_between_rounds += len(workers["a"].got("heartbeat")) == rounds
            assert saved_between_rounds > 5
            assert (await client.projection("b")).checkpoint == 0
            await connection.execute(f"update {schema}.projection_partitions set events = 0 where name = 'b'")
        finally:
            await connection.close()
        await workers["b"].stop()  # what it has told is saved at last

        async def is_saved() -> bool:
            return (await client.projection("b")).checkpoint == 10

        await until(is_saved)
        for worker in workers.values():
            await worker.stop()


async def _deleted(client: Client, name: str) -> bool:
    try:
        await client.projections.DeleteProjection(pb.DeleteProjectionRequest(projection=name))
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_positions_of_messages_rise_over_all_of_a_lease(client: Client) -> None:
    name = new_name("Rise")
    worker = await RawWorker(client.channel, name, from_end=True).start()
    await worker.until(lambda: worker.caught_up)
    for _ in range(20):
        await client.append(name, event(), event())
    await worker.until(lambda: len([e for e in worker.model.build().events if e[1] == name]) == 40)
    last = 0
    for message in worker.messages:
        kind = message.WhichOneof("message")
        if kind in ("events", "progress"):
            position = getattr(message, kind).position
            assert position >= last
            last = position
    positions = event_positions(worker.got("events"))
    assert positions == sorted(set(positions))
    await worker.stop()
