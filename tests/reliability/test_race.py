"""Many writers at once, subscribers that follow them, one server and two."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import grpc
import pytest
from mink_client import ShuttingDown
from mink_client.errors import from_rpc

from tests.reliability.load import Workload, lasting, messages, report, restart

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess


@lasting(3, 10)
async def test_every_acknowledged_event_is_delivered_once_and_in_order(
    start_server: Callable[..., MinkProcess], seconds: float
) -> None:
    server = start_server()
    async with Workload(server.grpc_address) as work:
        await work.run(seconds)
        await work.finish("race, one server")


@pytest.mark.thorough
@lasting(3, 10)
async def test_the_same_holds_with_two_servers_on_one_database(start_server: Callable[..., MinkProcess], seconds: float) -> None:
    servers = [start_server() for _ in range(2)]
    async with Workload(*(server.grpc_address for server in servers)) as work:
        await work.run(seconds)
        await work.finish("race, two servers")


@lasting(3, 30)
async def test_a_server_that_freezes_stops_no_other_and_loses_nothing(
    start_server: Callable[..., MinkProcess], seconds: float
) -> None:
    frozen, other = start_server(), start_server()
    async with Workload(frozen.grpc_address, other.grpc_address) as work:
        for _ in range(round(seconds / 3)):
            await work.run(0.7)
            before = work.acknowledged.copy()
            frozen.process.send_signal(signal.SIGSTOP)
            try:
                await work.run(0.5)
                await work.progress(other.grpc_address, appends=20, seconds=2.5)
                await work.run(3 - 0.5)
                went_on = work.acknowledged[other.grpc_address] - before[other.grpc_address]
            finally:
                frozen.process.send_signal(signal.SIGCONT)
            resumed = await work.progress(frozen.grpc_address, seconds=20)
            report("freeze", appends_of_the_other=went_on, resumed_after_s=resumed)
        await work.finish("freeze of one of two servers")


@lasting(1, 20)
async def test_a_server_that_is_told_to_stop_drains(start_server: Callable[..., MinkProcess], seconds: float) -> None:
    server, other = start_server(), start_server()
    loop = asyncio.get_running_loop()
    async with Workload(server.grpc_address, other.grpc_address) as work:
        for _ in range(round(seconds)):
            await work.run(0.7)
            began = loop.time()
            server.terminate()
            assert await work.while_running(asyncio.to_thread(server.wait, 20)) == 0
            drained = loop.time() - began
            assert drained < 12  # MINK_DRAIN_SECONDS is 10, and nothing here takes that long
            await work.while_running(restart(server))
            resumed = await work.progress(server.grpc_address)
            report("drain", drained_s=drained, resumed_after_s=resumed)
        await work.finish("SIGTERM under load")


async def test_a_quiet_subscription_does_not_hold_up_the_stop(start_server: Callable[..., MinkProcess]) -> None:
    """It ends at once, with a position to resume after, however seldom it would say something."""
    server = start_server(MINK_CHECKPOINT_SECONDS="30")
    seen: list[str] = []
    live = asyncio.Event()

    async def follow() -> None:
        async for message in messages(server.grpc_address):
            kind = message.WhichOneof("message")
            seen.append(kind)
            if kind == "caught_up":
                live.set()

    following = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(10):
            await live.wait()
        server.terminate()
        began = asyncio.get_running_loop().time()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async with asyncio.timeout(15):
                await following
        took = asyncio.get_running_loop().time() - began
        assert isinstance(from_rpc(caught.value, server.grpc_address), ShuttingDown)
        assert seen[-1] == "checkpoint"
        assert await asyncio.to_thread(server.wait, 20) == 0
        assert took < 2
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
