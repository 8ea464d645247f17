"""kill -9 of the server and of Postgres, under load. Clients go on by themselves, and nothing is lost or made twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.reliability.load import Workload, lasting, report, restart
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.databases import Postgres

# Seconds that one kill takes, with what follows it: so often is there one in the `seconds` of a check.
_ONE = 3


@lasting(2 * _ONE, 10 * _ONE)
async def test_kill_the_server(start_server: Callable[..., MinkProcess], seconds: float) -> None:
    server = start_server()
    async with Workload(server.grpc_address) as work:
        for number in range(round(seconds / _ONE)):
            await work.run(0.5 + 0.13 * (number % 4))
            server.kill()
            await work.run(0.5)
            await work.while_running(restart(server))
            report("kill -9 of the server", resumed_after_s=await work.progress())
        await work.finish("kill -9 of the server")


@lasting(2 * _ONE, 6 * _ONE)
async def test_kill_one_of_two_servers(start_server: Callable[..., MinkProcess], seconds: float) -> None:
    server, other = start_server(), start_server()
    async with Workload(server.grpc_address, other.grpc_address) as work:
        for number in range(round(seconds / _ONE)):
            victim = (server, other)[number % 2]
            survivor = (other, server)[number % 2]
            await work.run(0.6)
            victim.kill()
            assert await work.progress(survivor.grpc_address, appends=20) < 5
            await work.while_running(restart(victim))
            await work.progress(victim.grpc_address)
        await work.finish("kill -9 of one of two servers")


@lasting(_ONE, 8 * _ONE)
async def test_kill_postgres(own_postgres: Postgres, seconds: float) -> None:
    server = MinkProcess(DATABASE_URL=own_postgres.dsn, MINK_MIGRATE="true")
    try:
        await asyncio.to_thread(server.start)
        async with Workload(server.grpc_address) as work:
            for number in range(round(seconds / _ONE)):
                await work.run(0.8 + 0.13 * (number % 4))
                pid = own_postgres.embedded.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await work.run(0.2)
                report("kill -9 of Postgres", resumed_after_s=await work.progress())
            await work.finish("kill -9 of Postgres")
    finally:
        server.stop()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that also the account of the embedded Postgres can reach."""
    folder = Path(tempfile.mkdtemp(prefix="mink-test-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


def postmaster_of(data_dir: Path) -> int:
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split(maxsplit=1)[0])
    assert Path(psutil.Process(pid).cwd()) == (data_dir / "postgres").resolve()
    return pid


@pytest.mark.thorough
@lasting(_ONE, 6 * _ONE)
async def test_kill_the_embedded_postgres(data_dir: Path, seconds: float) -> None:
    server = MinkProcess(MINK_DATA_DIR=str(data_dir))
    try:
        await asyncio.to_thread(server.start)
        async with Workload(server.grpc_address) as work:
            for number in range(round(seconds / _ONE)):
                await work.run(0.8 + 0.13 * (number % 4))
                os.kill(postmaster_of(data_dir), signal.SIGKILL)
                await work.run(0.2)
                report("kill -9 of the embedded Postgres", resumed_after_s=await work.progress())
            # And the server with its Postgres left behind: the next one ends that and finds the data.
            server.kill()
            await work.while_running(restart(server))
            report("kill -9 of the server that has it", resumed_after_s=await work.progress())
            await work.finish("kill -9 of the embedded Postgres")
        server.terminate()
        assert await asyncio.to_thread(server.wait, 20) == 0
        assert not (data_dir / "postgres" / "postmaster.pid").exists()
    finally:
        server.stop()
        if (data_dir / "postgres" / "postmaster.pid").exists():  # the test failed after a kill: its Postgres goes as well
            os.kill(postmaster_of(data_dir), signal.SIGKILL)
