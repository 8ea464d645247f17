"""Two servers on one log, with workers on both, and one of them dies, is stopped, is shut down, or loses the database."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.reliability.load import lasting, report, restart
from tests.reliability.projections.judge import overlaps
from tests.reliability.projections.proxy import Proxy
from tests.reliability.projections.writers import Writers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.reliability.projections.scene import Scene
    from tests.support.databases import Postgres

LEASE = 2
TAKEN_OVER = 20


def both(scene: Scene, first: int) -> str:
    """An address that names both servers, one of them first."""
    addresses = [server.grpc_address for server in scene.servers]
    return "ipv4:" + ",".join([addresses[first], addresses[1 - first]])


async def workers_on_both(scene: Scene) -> None:
    """A worker for each server, which knows the other as well; each holds half of the partitions."""
    for first in (0, 1):
        scene.start_worker(both(scene, first))
    await scene.connected(*scene.workers)
    await scene.held_by(*scene.workers)


async def goes_on(scene: Scene, what: str) -> None:
    """Waits until every partition has handled everything that there is now, whoever holds it by then."""
    began = time.monotonic()
    await scene.caught_up(TAKEN_OVER)
    report(what, handled_again_after_s=time.monotonic() - began)


@lasting(1, 4)
async def test_one_of_two_servers_is_killed(open_scene: Callable[..., Awaitable[Scene]], seconds: float) -> None:
    scene = await open_scene(partitions=4, lease=LEASE, servers=2)
    await workers_on_both(scene)
    async with scene.writers() as writers:
        for number in range(round(seconds)):
            victim = scene.servers[(1 + number) % 2]
            await writers.run(0.5)
            victim.kill()
            await goes_on(scene, "kill -9 of one of two servers")
            await scene.held_by(*scene.workers)
            await restart(victim)
            await writers.progress()
        await writers.stop()
    await scene.finish("kill -9 of one of two servers")


@pytest.mark.thorough
async def test_one_of_two_servers_is_stopped(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """Its workers hear nothing and stop; those of the other one take over; then it goes on with what it has in hand."""
    scene = await open_scene(partitions=4, lease=LEASE, servers=2)
    await workers_on_both(scene)
    victim = scene.servers[1]
    async with scene.writers() as writers:
        await writers.run(0.5)
        os.kill(victim.pid, signal.SIGSTOP)
        async with scene.writers(writers=2) as others:  # those of the one that is stopped may be stuck
            await others.progress(10)
            await goes_on(scene, "SIGSTOP of one of two servers")
            await asyncio.sleep(LEASE)
            os.kill(victim.pid, signal.SIGCONT)
            await others.stop()
        await scene.connected(*scene.workers)
        await writers.progress()
        await writers.stop()
    await scene.held_by(*scene.workers)
    await scene.finish("SIGSTOP of one of two servers")


async def test_a_server_that_is_shut_down_hands_over_without_waiting_for_a_lease(
    open_scene: Callable[..., Awaitable[Scene]],
) -> None:
    """Nor is anything repeated where it is at least once."""
    scene = await open_scene(kind="file", partitions=4, lease=60, servers=2)
    await workers_on_both(scene)
    async with Writers([scene.servers[0].grpc_address]) as writers:
        await writers.run(0.5)
        victim = scene.servers[1]
        victim.terminate()
        assert await asyncio.to_thread(victim.wait, 30) == 0, victim.output
        await goes_on(scene, "SIGTERM of one of two servers")
        await scene.held_by(*scene.workers)
        await writers.stop()
    await scene.finish("SIGTERM of one of two servers")
    assert overlaps(scene.spans()) == []


async def test_the_only_server_is_killed(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await open_scene(partitions=2, lease=LEASE)
    await scene.start_workers(2)
    async with scene.writers() as writers:
        await writers.progress()
        scene.servers[0].kill()
        await writers.run(0.5)
        await restart(scene.servers[0])
        await scene.held_by(*scene.workers)
        await writers.progress()
        await writers.stop()
    await scene.finish("kill -9 of the only server")
    assert all(worker.alive for worker in scene.workers)


@pytest.mark.parametrize("how", ["swallow", pytest.param("delay", marks=pytest.mark.reliability)])
async def test_a_server_is_cut_off_from_postgres(
    postgres: Postgres, open_scene: Callable[..., Awaitable[Scene]], tmp_path: Path, how: str
) -> None:
    """It cannot renew the leases of its workers: they stop, and the other server's workers take over."""
    scene = await open_scene(kind="file", partitions=4, lease=LEASE)
    assert postgres.folder is not None
    folder = tmp_path / "pg"
    folder.mkdir()
    if len(str(folder / ".s.PGSQL.5432")) >= 100:
        pytest.skip("the path of the test's folder is too long for a socket")
    async with Proxy(str(postgres.folder / "data/run/.s.PGSQL.5432"), socket=folder / ".s.PGSQL.5432") as proxy:
        dsn = f"postgresql://mink@/mink?host={quote(str(folder), safe='/')}&port=5432"
        cut_off = await scene.start_server(dsn=dsn, MINK_DATABASE_TIMEOUT="2")
        await workers_on_both(scene)
        async with scene.writers() as writers:
            await writers.progress()
            proxy.cut(how)
            async with scene.writers(writers=2) as others:
                await others.progress(10)
                await goes_on(scene, f"a server is cut off from Postgres, {how}")
                proxy.heal()
                await others.stop()
            await writers.progress()
            await writers.stop()
        await scene.held_by(*scene.workers)
        # What a worker could not tell of in time may be there twice.
        scene.killed |= {worker.pid for worker in scene.workers}
        await scene.finish(f"a server is cut off from Postgres, {how}", may_repeat=True)
        assert overlaps(scene.spans()) == []
        assert cut_off.process is not None
        assert cut_off.process.poll() is None
