"""A snapshot that another session holds open, as pg_dump does, costs the appends nothing."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest
from mink_client import NO_STREAM, Mink, NewEvent

from tests.reliability.load import Workload, report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

# Appends that wait at any time, for a full load.
CALLERS = 64
# How much slower the last tenth may be than the first.
LOSS = 0.10


@asynccontextmanager
async def held_snapshot(postgres: Postgres, schema: str) -> AsyncIterator[None]:
    """Holds a snapshot of the database open until it is closed."""
    session = await asyncpg.connect(postgres.dsn)
    try:
        await session.execute("begin isolation level repeatable read")
        before = await session.fetchval(f"select count(*) from {schema}.events")
        yield
        assert await session.fetchval(f"select count(*) from {schema}.events") == before  # it still was the same snapshot
        await session.execute("rollback")
    finally:
        await session.close()


@pytest.mark.parametrize("seconds", [pytest.param(4, id="short")])
async def test_appends_leave_no_dead_rows(start_server: Callable[..., MinkProcess], postgres: Postgres, seconds: float) -> None:
    """The reason why it costs nothing: an append updates no row, so there is nothing that the snapshot keeps from being removed."""
    server = start_server()
    schema = server.env["DATABASE_SCHEMA"]
    async with held_snapshot(postgres, schema), Workload(server.grpc_address) as work:
        await work.run(seconds)
        log = await work.finish("a snapshot held")
    server.stop()  # with its sessions end, Postgres has all of their statistics
    session = await asyncpg.connect(postgres.dsn)
    try:
        rows: list[asyncpg.Record] = []
        async with asyncio.timeout(15):
            while sum(row["n_tup_ins"] for row in rows if row["relname"] == "events") < len(log):
                await asyncio.sleep(0.1)
                rows = await session.fetch("select * from pg_stat_user_tables where schemaname = $1", schema)
    finally:
        await session.close()
    counts = {row["relname"]: (row["n_tup_upd"], row["n_tup_del"], row["n_dead_tup"]) for row in rows}
    assert {name: counts[name] for name in ("events", "streams", "removed", "log")} == dict.fromkeys(
        ("events", "streams", "removed", "log"), (0, 0, 0)
    )


@pytest.mark.reliability
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [pytest.param(300, id="long")])
async def test_the_append_rate_stays(start_server: Callable[..., MinkProcess], postgres: Postgres, seconds: float) -> None:
    server = start_server()
    done = 0

    async def caller(number: int, client: Mink) -> None:
        nonlocal done
        text = "x" * 240
        turn = 0
        while True:
            turn += 1
            await client.append(f"S-{number}-{turn}", [NewEvent("Happened", {"text": text})], expected=NO_STREAM)
            done += 1

    series: list[float] = []
    loads: list[float] = []
    async with Mink(server.grpc_address, timeout=30) as client:
        callers = [asyncio.create_task(caller(number, client)) for number in range(CALLERS)]
        try:
            loop = asyncio.get_running_loop()
            await asyncio.wait(callers, timeout=10, return_when=asyncio.FIRST_EXCEPTION)  # caches fill, the tables get some size
            async with held_snapshot(postgres, server.env["DATABASE_SCHEMA"]):
                for _ in range(30):
                    began, before = loop.time(), done
                    await asyncio.wait(callers, timeout=seconds / 30, return_when=asyncio.FIRST_EXCEPTION)
                    for task in callers:
                        if task.done():
                            task.result()
                    series.append((done - before) / (loop.time() - began))
                    loads.append(os.getloadavg()[0])
        finally:
            for task in callers:
                task.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
    first, last = sum(series[:3]) / 3, sum(series[-3:]) / 3
    print("appends a second:", " ".join(f"{rate:.0f}" for rate in series))
    print("load average:    ", " ".join(f"{load:.1f}" for load in loads))
    report("a snapshot held", seconds=seconds, first_tenth=first, last_tenth=last, ratio=last / first)
    assert last >= first * (1 - LOSS)
