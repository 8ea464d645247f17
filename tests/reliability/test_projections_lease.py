"""A worker that is stopped, hangs, or is cut off: it loses its lease within seconds, and can commit nothing after that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mink_client import ANY

from tests.reliability.load import lasting, report
from tests.reliability.projections.judge import overlaps
from tests.reliability.projections.models import lines_of
from tests.reliability.projections.proxy import Proxy
from tests.reliability.projections.scene import until
from tests.reliability.projections.writers import some

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.reliability.projections.judge import Applied
    from tests.reliability.projections.scene import Scene
    from tests.reliability.projections.workers import WorkerProcess

# Seconds that a lease lasts here, and in which another worker must have taken over.
LEASE = 2
TAKEN_OVER = 15


def applied_after(applied: list[Applied], pid: int) -> set[int]:
    """Which processes applied something after this one had begun to."""
    first = next(i for i, one in enumerate(applied) if one.worker == pid)
    return {one.worker for one in applied[first:]}


@lasting(1, 5)
async def test_the_holder_is_stopped_and_comes_back(open_scene: Callable[..., Awaitable[Scene]], seconds: float) -> None:
    scene = await open_scene(lease=LEASE)
    await scene.start_workers(2)
    async with scene.writers() as writers:
        for _ in range(round(seconds)):
            old = await scene.holder()
            new = next(worker for worker in scene.workers if worker is not old)
            await scene.handled_by(old.pid)
            already = len(await scene.model.applied())
            old.freeze()
            took = await scene.held_by(new, seconds=TAKEN_OVER)
            await until(lambda new=new, n=already: _applied_since(scene, n, new), "the new one goes on", TAKEN_OVER)
            report("SIGSTOP of the holder", taken_over_after_s=took)
            await writers.run(LEASE)  # whatever it thinks that it has has run out
            old.thaw()
            await scene.connected(old)
            await writers.progress()
            assert list((await scene.holders()).values()) == [new.name], "the one that came back stands by"
            since = (await scene.model.applied())[already:]
            late = applied_after(since, new.pid)
            assert late == {new.pid}, "nothing of the old one after something of the new one"
        await writers.stop()
    await scene.finish("SIGSTOP of the holder")


async def _applied_since(scene: Scene, count: int, worker: WorkerProcess) -> bool:
    return any(one.worker == worker.pid for one in (await scene.model.applied())[count:])


@pytest.mark.parametrize("how", ["stopped", pytest.param("hangs", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("kind", ["postgres", pytest.param("by_type", marks=pytest.mark.reliability)])
async def test_a_transaction_of_the_old_holder_is_refused(open_scene: Callable[..., Awaitable[Scene]], kind: str, how: str) -> None:
    """It is in the middle of one, with rows written and locked, when it loses its lease, and goes on later.

    `stopped`: the process is. `hangs`: its handler holds up the whole process.
    """
    scene = await open_scene(kind=kind, lease=LEASE, READ_MODEL_HOLDS="process")
    old, new = await scene.start_workers(2)
    await scene.mink.append("Stream-1", some(5, "Opened"), expected=ANY)
    await scene.caught_up()
    (scene.folder / "hold").touch()
    done = await scene.mink.append("Stream-1", some(3, "Opened"), expected=ANY)
    await until((scene.folder / f"held-{old.pid}").exists, "the handler is in its transaction")
    if how == "stopped":
        old.freeze()
    (scene.folder / "hold").unlink()
    await scene.handled_by(new.pid, TAKEN_OVER)
    await scene.caught_up()
    await scene.mink.append("Stream-1", some(3, "Opened"), expected=ANY)
    (scene.folder / "go").touch()
    if how == "stopped":
        old.thaw()
    # It was at the same events, and it did go on with them.
    (line, *_) = await until(lambda: lines_of(scene.folder / f"went_on-{old.pid}.jsonl"), "the handler goes on")
    assert line["first"] == done.first_position
    await scene.connected(old, new)
    await scene.mink.append("Stream-1", some(3, "Opened"), expected=ANY)
    await scene.finish(f"the holder {how} in a transaction, {kind}")
    assert {one.worker for one in await scene.model.applied() if one.event.position >= done.first_position} == {new.pid}


async def test_a_transaction_in_sqlite_is_one_process_s_alone(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """Nobody can take a file from a process that is stopped in the middle of a transaction. It is exactly once all the same."""
    scene = await open_scene(kind="sqlite", lease=LEASE)
    old, new = await scene.start_workers(2)
    await scene.mink.append("Stream-1", some(5), expected=ANY)
    await scene.caught_up()
    (scene.folder / "hold").touch()
    await scene.mink.append("Stream-1", some(3), expected=ANY)
    await until((scene.folder / f"held-{old.pid}").exists, "the handler is in its transaction")
    old.freeze()
    (scene.folder / "hold").unlink()
    await scene.held_by(new, seconds=TAKEN_OVER)
    (scene.folder / "go").touch()
    old.thaw()
    await scene.mink.append("Stream-1", some(3), expected=ANY)
    await scene.finish("the holder stopped in a transaction of SQLite")
    assert {one.worker for one in await scene.model.applied() if one.event.position > 8} == {new.pid}


async def test_a_handler_that_never_ends_keeps_nobody_else(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """A worker whose handler waits, and that lives otherwise, keeps its lease until it is told to give it back."""
    scene = await open_scene(lease=LEASE)
    (old,) = await scene.start_workers(1)
    (scene.folder / "hold").touch()
    await scene.mink.append("Stream-1", some(3), expected=ANY)
    await until((scene.folder / f"held-{old.pid}").exists, "the handler waits")
    (scene.folder / "hold").unlink()
    (new,) = await scene.start_workers(1)
    await asyncio.sleep(1.5 * LEASE)
    assert list((await scene.holders()).values()) == [old.name]
    old.terminate()
    await scene.held_by(new, seconds=30)
    await scene.finish("a handler that never ends")
    assert {one.worker for one in await scene.model.applied()} == {new.pid}


async def test_a_worker_that_does_not_know_that_it_was_cut_off_is_refused(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """It has events in hand and its read model in reach, and goes on with them: there, a greater token is in its way."""
    scene = await open_scene(lease=LEASE)
    async with Proxy(scene.servers[0].grpc_address) as proxy:
        deaf = scene.start_worker(proxy.address, READ_MODEL_DEAF="1")
        await scene.connected(deaf)
        (new,) = await scene.start_workers(1)
        await scene.mink.append("Stream-1", some(5), expected=ANY)
        await scene.caught_up()
        (scene.folder / "hold").touch()
        for _ in range(3):  # the handler is at one message, others wait
            await scene.mink.append("Stream-1", some(5), expected=ANY)
            await until((scene.folder / f"held-{deaf.pid}").exists, "the handler is at it")
        proxy.cut()
        (scene.folder / "hold").unlink()
        await scene.handled_by(new.pid, TAKEN_OVER)
        (scene.folder / "go").touch()
        await until(lambda: "lost" in deaf.output, "it is refused")
        await scene.mink.append("Stream-1", some(5), expected=ANY)
        await scene.finish("a deaf worker")
        assert {one.worker for one in await scene.model.applied() if one.event.position > 5} == {new.pid}


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("postgres", "swallow"),
        pytest.param("file", "delay", marks=pytest.mark.thorough),
        pytest.param("postgres", "delay", marks=pytest.mark.reliability),
        pytest.param("file", "swallow", marks=pytest.mark.reliability),
    ],
)
async def test_a_cut_between_worker_and_server(open_scene: Callable[..., Awaitable[Scene]], kind: str, how: str) -> None:
    """Neither side is told. The worker's way to its read model is not cut."""
    scene = await open_scene(kind=kind, lease=LEASE)
    async with Proxy(scene.servers[0].grpc_address) as proxy:
        old = scene.start_worker(proxy.address)
        await scene.connected(old)
        (new,) = await scene.start_workers(1)
        async with scene.writers() as writers:
            await scene.handled_by(old.pid)
            (scene.folder / "slow").write_text("0.02")  # so that it has something in hand
            await writers.progress(100)
            proxy.cut(how)
            took = await scene.held_by(new, seconds=TAKEN_OVER)
            report(f"a worker is cut off, {how}", taken_over_after_s=took)
            (scene.folder / "slow").unlink()
            await scene.handled_by(new.pid)
            began = [span.began for span in scene.spans() if span.worker == old.pid]
            await writers.run(LEASE)
            # It has stopped by itself: nothing was begun since.
            assert [span.began for span in scene.spans() if span.worker == old.pid] == began
            assert old.name not in await scene.names()
            proxy.heal()
            await scene.connected(old)
            await writers.progress()
            await writers.stop()
        assert list((await scene.holders()).values()) == [new.name], "the one that came back stands by"
    # A process that was not killed has said in time what it had done, or it was at it when it was cut off: what it could not tell
    # of may be there twice, if there are no transactions.
    scene.killed.add(old.pid)
    await scene.finish(f"a worker is cut off, {how}, {kind}", may_repeat=kind == "file")
    assert overlaps(scene.spans()) == []


async def test_a_connection_that_was_forgotten_on_the_way_is_made_anew(open_scene: Callable[..., Awaitable[Scene]]) -> None:
    """A firewall drops what it does not know any more; a new connection would be let through."""
    scene = await open_scene(lease=LEASE)
    async with Proxy(scene.servers[0].grpc_address) as proxy:
        worker = scene.start_worker(proxy.address)
        await scene.connected(worker)
        await scene.mink.append("Stream-1", some(3), expected=ANY)
        await scene.caught_up()
        proxy.cut("forget")
        await scene.mink.append("Stream-1", some(3), expected=ANY)
        await scene.finish("a connection that was forgotten")
