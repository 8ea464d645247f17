"""The same append sent again: one result, whatever it expects, whoever sends it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from mink_client import ANY, NO_STREAM, STREAM_EXISTS, Mink, NewEvent, StreamAppend

from tests.reliability.load import lasting, read_log, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_client import AppendResult, Expected

    from tests.support.servers import MinkProcess

# What is expected, of a stream that has how many events.
EXPECTATIONS = pytest.mark.parametrize(
    ("expected", "before"),
    [
        pytest.param(ANY, 0, id="any-new"),
        pytest.param(NO_STREAM, 0, id="no_stream"),
        pytest.param(2, 2, id="version_2"),
        pytest.param(ANY, 2, id="any", marks=pytest.mark.thorough),
        pytest.param(STREAM_EXISTS, 2, id="stream_exists", marks=pytest.mark.thorough),
        pytest.param(0, 0, id="version_0", marks=pytest.mark.thorough),
    ],
)


def some(count: int) -> list[NewEvent]:
    return [NewEvent("Happened", {"number": i}) for i in range(count)]


@EXPECTATIONS
async def test_sent_again(start_server: Callable[..., MinkProcess], expected: Expected, before: int) -> None:
    server = start_server()
    async with Mink(server.grpc_address) as one, Mink(server.grpc_address) as two:
        if before:
            await one.append("S", some(before), expected=NO_STREAM)
        events = some(3)
        first = await one.append("S", events, expected=expected)
        assert not first.replayed
        where = (first.version, first.first_position, first.last_position)
        assert where == (before + 3, before + 1, before + 3)

        async def again(client: Mink) -> None:
            done = await client.append("S", events, expected=expected)
            assert done.replayed
            assert (done.version, done.first_position, done.last_position) == where

        await again(one)
        await again(two)
        await one.append("S", some(2), expected=before + 3)
        await two.append("T", some(1), expected=NO_STREAM)
        await one.append_many([StreamAppend("S", some(1), ANY), StreamAppend("U", some(1), ANY)])
        await again(one)
        await again(two)
        server.kill()
        await asyncio.to_thread(server.start)
        await again(one)
        assert [event.id for event in await read_log(two)][before : before + 3] == [event.id for event in events]
        assert len(await read_log(two)) == before + 3 + 2 + 1 + 2


@lasting(2, 20)
async def test_sent_by_several_clients_at_once_through_two_servers(
    start_server: Callable[..., MinkProcess], seconds: float
) -> None:
    servers = [start_server() for _ in range(2)]
    made: dict[str, tuple[int, int]] = {}
    winners: Counter[str] = Counter()
    chance = random.Random(1)
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def send(client: Mink, stream: str, events: list[NewEvent], expected: Expected) -> AppendResult:
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.003]))  # who is the first is chance
        return await client.append(stream, events, expected=expected)

    async with Mink(servers[0].grpc_address) as a, Mink(servers[0].grpc_address) as b, Mink(servers[1].grpc_address) as c:

        async def one_stream(name: str) -> None:
            version = 0
            while loop.time() < end:
                expected: Expected = chance.choice([version, ANY, STREAM_EXISTS if version else NO_STREAM])
                events = some(chance.randint(1, 5))
                senders = [a, b, c, c]
                answers = await asyncio.gather(*(send(client, name, events, expected) for client in senders))
                assert sorted(answer.replayed for answer in answers) == [False, True, True, True]
                ((version, first),) = {(answer.version, answer.first_position) for answer in answers}
                winner = senders[next(i for i, answer in enumerate(answers) if not answer.replayed)]
                winners["second server" if winner is c else "first server"] += 1
                for i, event in enumerate(events):
                    made[event.id] = (first + i, version - len(events) + 1 + i)

        await asyncio.gather(*(one_stream(f"S-{i}") for i in range(8)))
        log = await read_log(a)
        assert await read_log(c) == log
    assert {event.id: (event.position, event.version) for event in log} == made
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    report("sent again at once", appends=winners.total(), events=len(log), made_by=dict(winners))


@EXPECTATIONS
async def test_several_streams_sent_again_at_once(
    start_server: Callable[..., MinkProcess], expected: Expected, before: int
) -> None:
    servers = [start_server() for _ in range(2)]
    async with Mink(servers[0].grpc_address) as one, Mink(servers[1].grpc_address) as two:
        if before:
            await one.append("S", some(before), expected=NO_STREAM)
        parts = [StreamAppend("T", some(2), NO_STREAM), StreamAppend("S", some(2), expected), StreamAppend("Checked", [], 0)]
        answers = await asyncio.gather(*(client.append_many(parts) for client in (one, two, one, two)))
        await two.append("T", some(1), expected=2)
        answers.append(await one.append_many(parts))
        assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
        assert len({answer.streams for answer in answers}) == 1
        assert len(await read_log(one)) == before + 5
