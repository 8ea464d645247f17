"""Good clients and bad ones for a long time: afterwards the server has what it had before, and not a byte, file or task more."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from mink_client import ANY, Mink, NewEvent

from tests.reliability import bad_clients
from tests.reliability.load import report, values
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.databases import Postgres

MIB = 1024 * 1024
STREAMS = 200
POOL = 8
# What the server may have more of at the end than after the warm-up. Memory: what the allocator keeps, and the garbage that waits
# for its collector, go up and down by some 20 MiB, however long it takes; a leak grows with the calls, which are 140,000 in the
# long form: 400 bytes a call would be seen.
MORE_MEMORY, MORE_TASKS, MORE_THREADS = 48 * MIB, 2, 8
# Gauges that say what is under way.
GAUGES = (
    "mink_calls_in_flight",
    "mink_request_bytes_in_flight",
    "mink_response_bytes_in_flight",
    "mink_appends_waiting",
    "mink_pool_in_use",
    "mink_pool_waiting",
    "mink_subscribers",
)


def stream_of(chance: random.Random) -> str:
    return f"Soak-{chance.randrange(STREAMS)}"


@dataclass
class Have:
    """What a server has while nobody calls it."""

    memory: int
    files: int
    threads: int
    tasks: int


class Clients:
    """Clients of all kinds, for as long as it is asked for."""

    def __init__(self, server: MinkProcess) -> None:
        self._server = server
        self._stop = False
        self.done: dict[str, int] = {}

    async def run(self, seconds: float) -> None:
        self._stop = False
        kinds: list[tuple[str, Callable[[random.Random], Awaitable[None]]]] = [
            (kind.__name__, lambda chance, kind=kind: kind(self._server, chance)) for kind in bad_clients.ALL
        ]
        kinds += [("writer", self._write), ("alone", self._write_alone), ("reader", self._read), ("subscriber", self._subscribe)]
        tasks = [asyncio.create_task(self._repeat(name, kind, number)) for number, (name, kind) in enumerate(kinds * 2)]
        try:
            done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            self._stop = True
            async with asyncio.timeout(60):
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, name: str, kind: Callable[[random.Random], Awaitable[None]], number: int) -> None:
        chance = random.Random(number)
        while not self._stop:
            await kind(chance)
            self.done[name] = self.done.get(name, 0) + 1
            await asyncio.sleep(chance.random() * 0.1)  # the machine is for others, too

    async def _write(self, chance: random.Random) -> None:
        async with Mink(self._server.grpc_address, timeout=30) as client:
            for _ in range(20):
                appends = [
                    [NewEvent("Soaked", {"text": "x" * chance.randint(0, 2000)}) for _ in range(chance.randint(1, 5))]
                    for _ in range(10)
                ]
                await asyncio.gather(*(client.append(stream_of(chance), events, expected=ANY) for events in appends))
                await asyncio.sleep(0.02)

    async def _write_alone(self, chance: random.Random) -> None:
        """Appends that are too large for a session go by calls of their own."""
        async with Mink(self._server.grpc_address, timeout=30) as client:
            large = [NewEvent("Soaked", b"x" * 300_000) for _ in range(5)]
            stream = stream_of(chance)
            done = await client.append(stream, large, expected=ANY)
            await client.truncate_stream(stream, before_version=done.version)

    async def _read(self, chance: random.Random) -> None:
        async with Mink(self._server.grpc_address, timeout=30) as client:
            seen = 0
            async for _ in client.read_all(after=0, types=["Soaked"]):
                seen += 1
                if seen >= 2000:
                    break  # before the end, as readers do

    async def _subscribe(self, chance: random.Random) -> None:
        async with Mink(self._server.grpc_address, timeout=30) as client, client.subscribe_all(after=0) as events:
            position = 0
            end = time.monotonic() + chance.random()
            async for batch in events.batches(idle=True):
                for event in batch:
                    assert event.position > position, "an event twice, or out of order"
                    position = event.position
                if time.monotonic() > end:
                    break


async def have(server: MinkProcess) -> Have:
    """Waits until the server is at rest, and looks at what it has."""
    end = time.monotonic() + 60
    gc.collect()  # channels of clients that were closed, and whose connections are open until then
    while True:
        found = await values(server)
        busy = {name: value for name, value in found.items() if value and name.partition("{")[0] in GAUGES}
        process = Path(f"/proc/{server.pid}")
        files = len(list((process / "fd").iterdir()))
        if not busy and (now := found["mink_tasks"]) == (await values(server))["mink_tasks"]:
            break
        assert time.monotonic() < end, f"the server does not come to rest: {busy}"
        await asyncio.sleep(0.5)
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Have(server.memory(), files, int(status["Threads"]), int(now))


@pytest.mark.parametrize(
    ("warm_up", "seconds"),
    [
        pytest.param(4, 6, id="short"),
        pytest.param(60, 600, id="long", marks=[pytest.mark.reliability, pytest.mark.timeout(1200)]),
    ],
)
async def test_soak(own_postgres: Postgres, warm_up: float, seconds: float) -> None:
    server = MinkProcess(
        DATABASE_URL=own_postgres.dsn,
        MINK_MIGRATE="true",
        MINK_DATABASE_POOL=str(POOL),
        MINK_TAIL_BYTES=str(4 * MIB),
        MINK_CHECKPOINT_SECONDS="0.5",
    )
    try:
        await asyncio.to_thread(server.start)
        clients = Clients(server)
        await clients.run(warm_up)
        before = await have(server)
        await clients.run(seconds)
        # What gRPC gives a connection to begin with, connections that never did are gone after 10 seconds.
        end = time.monotonic() + 30
        while (after := await have(server)).files > before.files + POOL or after.memory > before.memory + MORE_MEMORY:
            if time.monotonic() > end:
                break
            await asyncio.sleep(1)
        found = await values(server)
        report(
            "soak",
            seconds=seconds,
            **clients.done,
            calls=sum(value for name, value in found.items() if name.startswith("grpc_server_handled_total")),
            events=found["mink_head_position"],
            memory_before_mib=before.memory / MIB,
            memory_after_mib=after.memory / MIB,
            before=before,
            after=after,
        )
        assert after.memory <= before.memory + MORE_MEMORY
        assert after.files <= before.files + POOL
        assert after.tasks <= before.tasks + MORE_TASKS
        assert after.threads <= before.threads + MORE_THREADS
        connection = await asyncpg.connect(own_postgres.dsn)
        try:
            connections = await connection.fetchval("select count(*) from pg_stat_activity where application_name = 'mink'")
        finally:
            await connection.close()
        assert connections <= POOL + 1
        async with Mink(server.grpc_address) as client:
            last = 0
            async for batch in client.read_all_batches():
                for event in batch:
                    assert event.position > last
                    last = event.position
            assert last == found["mink_head_position"]
        assert '"level": "error"' not in server.output
        assert "Traceback" not in server.output
    finally:
        server.stop()
