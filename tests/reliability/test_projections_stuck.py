"""A projection that does not get on: the server's memory is bounded, appends go on, and when it gets on it has everything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mink_client import ANY, NewEvent

from tests.reliability.load import report
from tests.reliability.projections.scene import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.reliability.projections.scene import Scene

MIB = 1024 * 1024
# What the server keeps of the newest events (MINK_TAIL_BYTES), and by how much its memory and a worker's may grow.
TAIL = 4 * MIB
BOUND = TAIL + 48 * MIB
WORKER_BOUND = 48 * MIB


@pytest.mark.parametrize("how", ["stuck", pytest.param("slow", marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(12_000, id="short"),
        pytest.param(150_000, id="long", marks=[pytest.mark.reliability, pytest.mark.timeout(400)]),
    ],
)
async def test_a_projection_that_does_not_get_on(open_scene: Callable[..., Awaitable[Scene]], how: str, count: int) -> None:
    scene = await open_scene(partitions=2, server={"MINK_TAIL_BYTES": str(TAIL)})
    (worker,) = await scene.start_workers(1)
    loop = asyncio.get_running_loop()
    server = scene.servers[0]
    appended = 0

    async def append(number: int, upto: int, times: list[float]) -> None:
        nonlocal appended
        while appended < upto:
            appended += 5
            events = [NewEvent("Opened", {"amount": 1, "text": "x" * 244}) for _ in range(5)]
            began = loop.time()
            await scene.mink.append(f"Stream-{number}", events, expected=ANY)
            times.append(loop.time() - began)

    async def append_all(upto: int) -> list[float]:
        times: list[float] = []
        await asyncio.gather(*(append(number, upto, times) for number in range(16)))
        return sorted(times)

    usual = await append_all(2_000)  # what is allocated once is not what is measured
    await scene.caught_up()
    if how == "stuck":
        (scene.folder / "hold").touch()
    else:
        (scene.folder / "slow").write_text("0.002")
    before, worker_before = server.memory(), worker.memory()
    highest = worker_highest = 0
    appending = asyncio.create_task(append_all(2_000 + count))
    while not appending.done():
        await asyncio.wait([appending], timeout=0.1)
        highest, worker_highest = max(highest, server.memory()), max(worker_highest, worker.memory())
    times = await appending
    assert len(await scene.log()) == appended
    found = await scene.status()
    assert found.lag_events > 0, "it was not behind at all"
    if how == "stuck":
        assert (scene.folder / f"held-{worker.pid}").exists()
    report(
        f"a projection that is {how}",
        events=count,
        lag_events=found.lag_events,
        server_grew_mib=(highest - before) / MIB,
        worker_grew_mib=(worker_highest - worker_before) / MIB,
        append_p99_before=usual[len(usual) * 99 // 100],
        append_p99=times[len(times) * 99 // 100],
    )
    assert highest - before <= BOUND
    assert worker_highest - worker_before <= WORKER_BOUND
    for file in ("hold", "slow"):
        (scene.folder / file).unlink(missing_ok=True)
    (scene.folder / "go").touch()

    async def caught_up() -> bool:
        return (await scene.status()).lag_events == 0

    await until(caught_up, "it has caught up", 120)
    await scene.finish(f"a projection that is {how}")
