"""A client whose machine is gone without a word: its connection, and all that it held, is given up."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.reliability.load import report, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

FOLLOW = """
import asyncio, sys
from mink_client import Mink

async def main():
    async with Mink(sys.argv[1]) as mink, mink.subscribe_all() as events:
        async for _ in events.batches(idle=True):
            pass

asyncio.run(main())
"""


@pytest.mark.reliability
async def test_a_peer_that_does_not_answer_is_given_up(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    client = await asyncio.create_subprocess_exec(sys.executable, "-c", FOLLOW, server.grpc_address)

    async def reach(calls: int, seconds: float) -> float:
        began = asyncio.get_running_loop().time()
        while (await values(server))["mink_calls_in_flight"] != calls:
            assert asyncio.get_running_loop().time() - began < seconds
            await asyncio.sleep(0.2)
        return asyncio.get_running_loop().time() - began

    try:
        await reach(1, 30)
        client.send_signal(signal.SIGSTOP)
        # It is pinged after 30 seconds and has 10 to answer.
        report("a peer that does not answer", given_up_after_s=await reach(0, 60))
    finally:
        client.kill()
        await client.wait()
