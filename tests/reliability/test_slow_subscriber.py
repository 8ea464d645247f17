"""A subscriber that stops reading: bounded memory in the server, no harm to others, and every event when it reads on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mink_client import ANY, Mink, NewEvent

from tests.reliability.load import CATCH_UP, messages, position_of, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink.v1 import event_store_pb2 as pb

    from tests.support.servers import MinkProcess

MIB = 1024 * 1024
# What the server keeps of the newest events for its subscribers (MINK_TAIL_BYTES),
TAIL = 4 * MIB
# and by how much its memory may grow, however many events a subscriber leaves unread.
BOUND = TAIL + 48 * MIB
# How late another subscriber may get an event, in seconds after the append was acknowledged: most of them, and the worst.
USUAL_DELAY, LONGEST_DELAY = 0.25, 5.0


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(30_000, id="short"),
        pytest.param(200_000, id="long", marks=[pytest.mark.reliability, pytest.mark.timeout(400)]),
    ],
)
async def test_a_subscriber_that_stops_reading(start_server: Callable[..., MinkProcess], count: int) -> None:
    server = start_server(MINK_TAIL_BYTES=str(TAIL))
    loop = asyncio.get_running_loop()
    appended = 0
    acknowledged_at: dict[int, float] = {}
    delays: list[float] = []
    live: list[int] = []
    all_live = asyncio.Event()

    async def follow(client: Mink) -> None:
        async with client.subscribe_all() as events:
            async for batch in events.batches():
                now = loop.time()
                live.extend(event.position for event in batch)
                if len(live) >= 2_000 + count:
                    all_live.set()
                delays.append(now - acknowledged_at.pop(batch[-1].position, now))

    async def append(client: Mink, number: int, upto: int) -> None:
        nonlocal appended
        while appended < upto:
            events = [NewEvent("Happened", {"text": "x" * 244}) for _ in range(min(5, upto - appended))]
            appended += len(events)
            done = await client.append(f"S-{number}", events, expected=ANY)
            acknowledged_at[done.last_position] = loop.time()

    async def append_all(client: Mink, upto: int) -> None:
        await asyncio.gather(*(append(client, number, upto) for number in range(32)))

    async with Mink(server.grpc_address, timeout=30) as client:
        other = asyncio.create_task(follow(client))
        slow = messages(server.grpc_address)
        seen: list[int] = []
        kinds: list[str] = []

        def take(message: pb.SubscribeAllResponse) -> None:
            kind = message.WhichOneof("message")
            kinds.append(kind)
            if kind == "events":
                seen.extend(event.position for event in message.events.events)
                assert seen[-1] <= position_of(message)

        try:
            async with asyncio.timeout(60):
                await append_all(client, 2_000)  # what the server allocates once is not what is measured
                while len(seen) < 2_000 or "caught_up" not in kinds:
                    take(await anext(slow))
            before = highest = server.memory()
            began = loop.time()
            appending = asyncio.create_task(append_all(client, 2_000 + count))
            while not appending.done():
                await asyncio.wait([appending, other], timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
                if other.done():
                    other.result()
                highest = max(highest, server.memory())
            await appending
            took = loop.time() - began
            async with asyncio.timeout(CATCH_UP):
                await all_live.wait()
            late = loop.time() - began - took
            assert live == list(range(1, 2_001 + count))
            assert len(seen) < 2_000 + count  # it did stop reading

            async with asyncio.timeout(CATCH_UP):
                while len(seen) < 2_000 + count:
                    take(await anext(slow))
                    if len(kinds) % 20 == 0:
                        highest = max(highest, server.memory())
                    # Until it has caught up again.
                while kinds[-1] != "caught_up":
                    take(await anext(slow))
            assert seen == list(range(1, 2_001 + count))
            assert "fell_behind" in kinds
            highest = max(highest, server.memory())
        finally:
            await slow.aclose()
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)
    delays.sort()
    report(
        "a subscriber that stops reading",
        events=count,
        grew_mib=(highest - before) / MIB,
        bound_mib=BOUND // MIB,
        appended_per_s=count / took,
        others_done_s_later=late,
        others_delay_p50=delays[len(delays) // 2],
        others_delay_p99=delays[len(delays) * 99 // 100],
    )
    assert highest - before <= BOUND
    assert delays[len(delays) * 95 // 100] < USUAL_DELAY
    assert delays[-1] < LONGEST_DELAY
