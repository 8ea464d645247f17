"""Clients as nobody wants them: each does something wrong once, in a way of its own, and does not mind how it ends."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
from mink.v1 import event_store_pb2 as pb
from mink.v1 import expectation_pb2
from mink.v1.event_pb2 import NewEvent
from mink.v1.event_store_pb2_grpc import EventStoreStub

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from tests.support.servers import MinkProcess

OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def append(stream: str, size: int, events: int = 1) -> pb.AppendToStreamRequest:
    made = [NewEvent(type="Soaked", binary=bytes(size)) for _ in range(events)]
    return pb.AppendToStreamRequest(stream=stream, state=expectation_pb2.ANY, events=made)


async def _raw(address: str, sent: bytes, *, stay: float = 0.0, reset: bool = False) -> None:
    host, _, port = address.rpartition(":")
    with suppress(OSError):
        _, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(sent)
            await asyncio.sleep(stay)
            if reset:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            writer.close()


async def garbage(server: MinkProcess, chance: random.Random) -> None:
    await _raw(server.grpc_address, os.urandom(chance.randint(1, 5000)), stay=0.05)


async def garbage_after_a_good_beginning(server: MinkProcess, chance: random.Random) -> None:
    await _raw(server.grpc_address, PREFACE + os.urandom(chance.randint(1, 5000)), stay=0.05)


async def half_open(server: MinkProcess, chance: random.Random) -> None:
    await _raw(server.grpc_address, chance.choice((b"", PREFACE, PREFACE[:7])), stay=chance.random() * 2, reset=True)


async def dropped_at_once(server: MinkProcess, chance: random.Random) -> None:
    for _ in range(5):
        await _raw(server.grpc_address, b"", reset=chance.random() < 0.5)


async def wrong_http(server: MinkProcess, chance: random.Random) -> None:
    sent = chance.choice(
        (
            os.urandom(500),
            b"GET /metrics HTTP/1.1\r\nHost",
            b"POST /health/live HTTP/1.1\r\nContent-Length: 99999\r\n\r\nx",
            b"GET " + b"/x" * 50_000,
        )
    )
    await _raw(chance.choice((server.http_address, server.metrics_address)), sent, stay=0.1, reset=chance.random() < 0.5)


async def malformed(server: MinkProcess, chance: random.Random) -> None:
    async with grpc.aio.insecure_channel(server.grpc_address, options=OPTIONS) as channel:
        for method in ("EventStore/AppendToStream", "EventStore/GetStream", "Snapshots/SaveSnapshot", "EventStore/NoSuchMethod"):
            with suppress(grpc.aio.AioRpcError):
                await channel.unary_unary(f"/mink.v1.{method}")(os.urandom(chance.randint(0, 2000)), timeout=10)
        session = channel.stream_stream("/mink.v1.EventStore/AppendSession")(timeout=10)
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await session.write(os.urandom(500))
            await session.read()


async def too_large(server: MinkProcess, chance: random.Random) -> None:
    async with grpc.aio.insecure_channel(server.grpc_address, options=OPTIONS) as channel:
        for size in (5 * 1024 * 1024, 20 * 1024 * 1024):
            with suppress(grpc.aio.AioRpcError):
                await EventStoreStub(channel).AppendToStream(append("TooLarge", size), timeout=30)


async def impatient(server: MinkProcess, chance: random.Random) -> None:
    """Deadlines that pass, before and while the server is at it."""
    async with grpc.aio.insecure_channel(server.grpc_address, options=OPTIONS) as channel:
        store = EventStoreStub(channel)
        await asyncio.wait_for(channel.channel_ready(), 20)
        for _ in range(5):
            seconds = chance.random() * 0.005
            with suppress(grpc.aio.AioRpcError):
                await store.AppendToStream(append("Impatient", 100_000), timeout=seconds)
            with suppress(grpc.aio.AioRpcError):
                async for _ in store.ReadAll(pb.ReadAllRequest(), timeout=seconds):
                    pass
            with suppress(grpc.aio.AioRpcError):
                async for _ in store.SubscribeAll(pb.SubscribeAllRequest(), timeout=seconds * 10):
                    pass


async def breaking_off(server: MinkProcess, chance: random.Random) -> None:
    """Calls that are left in the middle, with a word (a cancellation) or without one (the connection is gone)."""
    channel = grpc.aio.insecure_channel(server.grpc_address, options=OPTIONS)
    try:
        store = EventStoreStub(channel)
        session = store.AppendSession()
        large = [pb.SessionAppend(request_id=i, to_stream=append(f"Left-{i % 9}", 10_000)) for i in range(50)]
        reading, following = store.ReadAll(pb.ReadAllRequest()), store.SubscribeAll(pb.SubscribeAllRequest())
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await session.write(pb.AppendSessionRequest(appends=large))
            await reading.read()
            await following.read()
        pending = asyncio.ensure_future(store.AppendToStream(append("Left", 500_000)))
        await asyncio.sleep(chance.random() * 0.01)
        if chance.random() < 0.5:
            for call in (session, reading, following):
                call.cancel()
            pending.cancel()
    finally:
        await channel.close()
    await asyncio.gather(pending, return_exceptions=True)


ALL: tuple[Callable[[MinkProcess, random.Random], Awaitable[None]], ...] = (
    garbage,
    garbage_after_a_good_beginning,
    half_open,
    dropped_at_once,
    wrong_http,
    malformed,
    too_large,
    impatient,
    breaking_off,
)
