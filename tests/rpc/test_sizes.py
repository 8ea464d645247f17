"""Whatever the server takes, a client with gRPC's default limit of 4 MiB a message can read back, in every way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
from mink.v1 import event_store_pb2 as pb
from mink.v1 import event_store_pb2_grpc, snapshots_pb2, snapshots_pb2_grpc
from mink.v1.event_pb2 import NewEvent
from mink.v1.expectation_pb2 import ANY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

MIB = 1024 * 1024


async def following(store: event_store_pb2_grpc.EventStoreAsyncStub, events: int, started: asyncio.Event) -> int:
    """How many of `events` a subscriber gets."""
    got = 0
    async for message in store.SubscribeAll(pb.SubscribeAllRequest(), timeout=30):
        started.set()
        got += len(message.events.events)
        if got >= events:
            break
    return got


async def test_the_largest_append_reaches_every_reader(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        store = event_store_pb2_grpc.EventStoreStub(channel)
        largest = [NewEvent(type="T", binary=bytes(MIB - 1)) for _ in range(4)]
        many = [NewEvent(type="T", binary=b"") for _ in range(10_000)]
        started = asyncio.Event()
        live = asyncio.create_task(following(store, 10_004, started))
        await started.wait()
        for stream, events in (("L", largest), ("x" * 500, many)):
            await store.AppendToStream(pb.AppendToStreamRequest(stream=stream, state=ANY, events=events), timeout=30)
        assert await live == 10_004
        assert await following(store, 10_004, started) == 10_004
        pages = [page async for page in store.ReadAll(pb.ReadAllRequest(), timeout=30)]
        assert sum(len(page.events) for page in pages) == 10_004
        pages = [page async for page in store.ReadStream(pb.ReadStreamRequest(stream="L"), timeout=30)]
        assert sum(len(page.events) for page in pages) == 4


async def test_the_largest_snapshot_can_be_loaded_alone_and_with_what_follows(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        store = event_store_pb2_grpc.EventStoreStub(channel)
        snapshots = snapshots_pb2_grpc.SnapshotsStub(channel)
        name = "ü" * 500
        events = [NewEvent(type="T", binary=bytes(500_000)) for _ in range(3)]
        await store.AppendToStream(pb.AppendToStreamRequest(stream=name, state=ANY, events=events), timeout=30)
        state = bytes(4 * MIB - 16 * 1024)
        await snapshots.SaveSnapshot(snapshots_pb2.SaveSnapshotRequest(stream=name, version=1, binary=state), timeout=30)
        loaded = await snapshots.LoadSnapshot(snapshots_pb2.LoadSnapshotRequest(stream=name), timeout=30)
        assert loaded.snapshot.binary == state
        pages = [page async for page in store.ReadStream(pb.ReadStreamRequest(stream=name, since_snapshot=True), timeout=30)]
        assert pages[0].snapshot.binary == state
        assert [event.version for page in pages for event in page.events] == [2, 3]
