"""Parked events that are dropped while they wait for being tried again: no worker gets them, and they count as nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mink.v1 import projections_pb2 as pb

from tests.rpc.conftest import connected, event
from tests.support.raw_worker import RawWorker, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.rpc.conftest import Client
    from tests.support.servers import MinkProcess


async def with_parked(client: Client, count: int) -> RawWorker:
    """A worker that has parked as many events, all that there are, and does not answer to replays by itself."""
    await client.append("A", *[event() for _ in range(count)])
    worker = RawWorker(client.channel, "P")
    worker.on_events = worker.on_replay = ignore
    await worker.start()
    (events,) = await worker.until(lambda: worker.got("events"))
    for position in range(1, count + 1):
        error = pb.HandlerError(position=position, type="Happened", stream="A", message="cannot", attempts=1)
        await worker.say(park=pb.Park(lease=events.lease, error=error))
    await worker.until(lambda: len(worker.got("parked")) == count)
    await worker.say(handled=pb.Handled(lease=events.lease, position=count, events=count))
    return worker


async def answer(worker: RawWorker, position: int, error: pb.HandlerError | None = None) -> None:
    """Waits until an event is to be tried again, and says how that went."""
    await worker.until(lambda: [one for one in worker.got("replay") if one.event.position == position])
    (lease,) = worker.leases.values()
    await worker.say(replayed=pb.Replayed(lease=lease.lease, position=position, error=error))


async def drop(client: Client, *positions: int) -> int:
    return (await client.projections.DropParkedEvents(pb.DropParkedEventsRequest(projection="P", positions=positions))).dropped


async def test_what_is_dropped_while_it_waits_is_not_tried_and_not_counted(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        worker = await with_parked(client, 6)
        replay = client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=30)
        doing = asyncio.ensure_future(replay)
        await worker.until(lambda: worker.got("replay"))
        # The first one is in the worker's hands already, the others wait.
        assert await drop(client, 1, 2, 4) == 3
        await answer(worker, 1)
        await answer(worker, 3)
        await answer(worker, 5, pb.HandlerError(position=5, message="still cannot", attempts=1))
        await answer(worker, 6)
        done = await doing
        assert (done.handled, done.failed, done.waiting) == (2, 1, 0)
        assert [one.event.position for one in worker.got("replay")] == [1, 3, 5, 6]
        await worker.stop()


async def test_nothing_is_handled_if_all_is_dropped(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        worker = await with_parked(client, 3)
        replay = client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=30)
        doing = asyncio.ensure_future(replay)
        await worker.until(lambda: worker.got("replay"))
        await client.projections.DropParkedEvents(pb.DropParkedEventsRequest(projection="P", all=True))
        done = await doing
        assert (done.handled, done.failed, done.waiting) == (0, 0, 0)
        await answer(worker, 1)
        assert [one.event.position for one in worker.got("replay")] == [1]
        await worker.stop()
