"""`mink diagnose`, run as an operator runs it, against real servers and a real Postgres."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.databases import Postgres

MINK = Path(sys.executable).with_name("mink")


def diagnose(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MINK_SERVER": address}
    return subprocess.run([MINK, "diagnose", *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {check["component"]: check["outcome"] for check in json.loads(done.stdout)["checks"]}


def test_a_server_that_is_well(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    done = diagnose(process.grpc_address)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["CHECK", "OUTCOME", "MESSAGE", "RECOMMENDATION"]
    assert [line.split()[0] for line in lines[1:4]] == ["server", "connection", "schema"]
    assert "FAILED" not in done.stdout
    done = diagnose(process.grpc_address, "--output", "json")
    assert json.loads(done.stdout)["healthy"] is True
    assert {"tail", "flush", "durability", "vacuum", "size"} <= set(outcomes(done))


def test_a_schema_that_went_away(start_server: Callable[..., MinkProcess], postgres: Postgres) -> None:
    process = start_server()
    postgres.drop(process.env["DATABASE_SCHEMA"])
    done = diagnose(process.grpc_address, "--output", "json")
    assert done.returncode == 1
    assert outcomes(done)["schema"] == "FAILED"
    assert outcomes(done)["flush"] in ("OK", "WARNING")
    assert done.stderr.startswith("mink: failed: schema")


def test_a_database_that_was_killed(start_server: Callable[..., MinkProcess], own_postgres: Postgres) -> None:
    dsn = own_postgres.dsn.replace("//mink@", "//mink:s3cr3t-w0rd@")
    process = start_server(dsn, MINK_DATABASE_TIMEOUT="1")
    own_postgres.halt()
    began = time.monotonic()
    done = diagnose(process.grpc_address)
    assert time.monotonic() - began < 20  # its own start included
    assert done.returncode == 1
    assert done.stderr.startswith("mink: failed: connection")
    assert "DATABASE_URL" in done.stdout
    assert "s3cr3t" not in done.stdout + done.stderr + process.output


def test_no_server() -> None:
    done = diagnose("localhost:1")
    assert done.returncode == 1
    assert done.stderr == "mink: failed: server\n"
    assert "cannot reach Mink at localhost:1" in done.stdout
    assert "mink serve" in done.stdout
    done = diagnose("localhost:1", "-o", "json")
    assert (done.returncode, outcomes(done)) == (1, {"server": "FAILED"})


async def test_something_else_at_the_address() -> None:
    ended = asyncio.Event()

    async def hang(_reader: object, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    done = await asyncio.to_thread(diagnose, address, "--timeout", "2")
    ended.set()
    server.close()
    await asyncio.sleep(0.1)  # lets what it has accepted end
    assert done.returncode == 1
    assert done.stderr == "mink: failed: server\n"
    assert address in done.stdout


def test_a_server_that_hangs_is_not_called_one_that_does_not_run(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        done = diagnose(server.grpc_address, "--timeout", "10")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert done.returncode == 1
    assert "takes connections" in done.stdout
    assert "mink serve" not in done.stdout


def test_verify_and_stats_say_soon_that_the_database_is_away(own_postgres: Postgres) -> None:
    server = MinkProcess(DATABASE_URL=own_postgres.dsn, MINK_MIGRATE="true", MINK_DATABASE_TIMEOUT="1").start()
    try:
        own_postgres.halt()
        for command in (["verify", "--timeout", "3"], ["stream", "stats"]):
            command += ["--server", server.grpc_address]
            done = subprocess.run([MINK, *command], capture_output=True, text=True, timeout=40, check=False)
            assert done.returncode == 1
            assert "the database" in done.stderr
    finally:
        server.stop()
