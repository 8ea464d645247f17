"""`mink verify` and what it stands on: the client's `verify` and the RPC, against a real server and a real Postgres."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from mink_client import ANY, FaultKind, Mink, NewEvent, Overloaded, ShuttingDown, Unavailable, VerificationProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

MINK = Path(sys.executable).with_name("mink")


def verify(process: MinkProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MINK_SERVER": process.grpc_address}
    return subprocess.run([MINK, "verify", *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)


async def execute(process: MinkProcess, sql: str) -> None:
    """SQL on the log, past Mink."""
    connection = await asyncpg.connect(process.env["DATABASE_URL"])
    try:
        await connection.execute(sql.replace("{schema}", process.env["DATABASE_SCHEMA"]))
    finally:
        await connection.close()


async def fill(client: Mink) -> None:
    await client.append("Order-1", [NewEvent("T", {"n": n}) for n in range(5)], expected=ANY)
    await client.append("Order-2", [NewEvent("T", b"\x00")], expected=ANY)
    await client.save_snapshot("Order-1", version=4, state={})
    await client.truncate_stream("Order-1", before_version=3)


STRAY = "insert into {schema}.events select * from {schema}.kept"
KEPT = "create table {schema}.kept as select * from {schema}.events where position = 1"


async def test_a_sound_log(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with Mink(process.grpc_address) as client:
        await fill(client)
        found = await client.verify()
        assert found.sound
        assert (found.head, found.events, found.streams, found.snapshots, found.removed) == (6, 4, 2, 1, 2)
    done = await asyncio.to_thread(verify, process)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "newest position        6",
        "events                 4",
        "streams, also deleted  2",
        "snapshots              1",
        "removed events         2",
        "the log is             sound",
    ]
    done = await asyncio.to_thread(verify, process, "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "sound": True,
        "head": 6,
        "events": 4,
        "streams": 2,
        "snapshots": 1,
        "removed": 2,
        "fault": None,
    }


async def test_a_fault(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with Mink(process.grpc_address) as client:
        await fill(client)
        await execute(process, "delete from {schema}.events where position = 4")
        found = await client.verify()
    assert not found.sound
    assert found.fault is not None
    assert (found.fault.kind, found.fault.stream, found.fault.version) == (FaultKind.MISSING_EVENT, "Order-1", 4)
    done = await asyncio.to_thread(verify, process)
    assert done.returncode == 1
    assert done.stderr == "mink: the log is not sound: version 4 of the stream 'Order-1' is not there, and was not removed\n"
    assert "fault                  MISSING_EVENT\n" in done.stdout
    assert "stream                 Order-1\n" in done.stdout
    assert done.stdout.endswith("the log is             not sound\n")
    done = await asyncio.to_thread(verify, process, "-o", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["fault"] == {
        "kind": "MISSING_EVENT",
        "position": 0,
        "stream": "Order-1",
        "version": 4,
        "message": "version 4 of the stream 'Order-1' is not there, and was not removed",
    }


async def under_way(process: MinkProcess, client: Mink) -> tuple[asyncio.Task, list[VerificationProgress]]:
    """A verification that takes long: it waits for an event that was removed and came back."""
    await client.append("Order-1", [NewEvent("T", {})], expected=ANY)
    await execute(process, KEPT)
    await client.delete_stream("Order-1", expected=ANY)
    await execute(process, STRAY)
    seen: list[VerificationProgress] = []
    told = asyncio.Event()

    def progress(reached: VerificationProgress) -> None:
        seen.append(reached)
        if reached.step == "removals":
            told.set()

    task = asyncio.create_task(client.verify(progress=progress))
    await asyncio.wait_for(told.wait(), 15)
    return task, seen


async def test_progress_is_told_and_a_second_one_is_refused(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with Mink(process.grpc_address) as client:
        task, seen = await under_way(process, client)
        assert seen[-1] == VerificationProgress("removals", 1, 1)
        with pytest.raises(Overloaded):
            await client.verify(timeout=3)
        await execute(process, "delete from {schema}.events")
        assert (await asyncio.wait_for(task, 15)).sound


async def test_a_client_that_goes_ends_it(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with Mink(process.grpc_address) as client:
        task, _ = await under_way(process, client)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await execute(process, "delete from {schema}.events")
        assert (await client.verify()).sound


async def test_a_server_that_stops_ends_it_at_once(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_DRAIN_SECONDS="60")
    async with Mink(process.grpc_address, timeout=2) as client:
        task, _ = await under_way(process, client)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 15) == 0
        with pytest.raises((ShuttingDown, Unavailable)):
            await asyncio.wait_for(task, 30)


async def test_a_terminal_sees_how_far_it_is(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with Mink(process.grpc_address) as client:
        task, _ = await under_way(process, client)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    terminal, its_side = os.openpty()
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm", "COLUMNS": "80", "MINK_SERVER": process.grpc_address}
    command = await asyncio.to_thread(
        subprocess.Popen, [MINK, "verify"], env=env, stdin=its_side, stdout=subprocess.DEVNULL, stderr=its_side
    )
    os.close(its_side)
    try:
        shown, end = b"", time.monotonic() + 30
        while b"Verifying removals" not in shown:
            assert time.monotonic() < end, shown
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 65536)
        command.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(command.wait, 20) == 130
    finally:
        command.kill()
        command.wait(10)
        os.close(terminal)


def test_no_server_is_one_line() -> None:
    env = {"PATH": "/usr/bin:/bin", "MINK_SERVER": "localhost:1"}
    done = subprocess.run([MINK, "verify"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("mink: cannot reach Mink at localhost:1")
    assert done.stderr.count("\n") == 1
