"""What operators do: look, watch, pause, resume, rebuild, restart, delete."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mink.v1 import projections_pb2 as pb

from tests.rpc.conftest import Client, connected, event, failure, new_name, rest_of, until
from tests.support.raw_worker import RawWorker, ReadModel, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess


BUF = str(Path(sys.executable).with_name("buf"))


async def reaches(client: Client, name: str, state: Any) -> pb.Projection:
    """Waits until a projection has a state."""
    shown = pb.Projection()

    async def has_it() -> bool:
        nonlocal shown
        shown = await client.projection(name)
        return shown.state == state

    await until(has_it, 30)
    return shown


async def pause(client: Client, name: str, timeout: float = 30) -> pb.PauseProjectionResponse:
    return await client.projections.PauseProjection(pb.PauseProjectionRequest(projection=name), timeout=timeout)


async def rebuild(client: Client, name: str, mode: Any = pb.IN_PLACE, **fields: Any) -> pb.Projection:
    request = pb.RebuildProjectionRequest(projection=name, mode=mode, **fields)
    return (await client.projections.RebuildProjection(request, timeout=30)).projection


ON_ONE = ("GetProjection", "PauseProjection", "ResumeProjection", "RebuildProjection", "RestartProjection", "DeleteProjection")


@pytest.mark.parametrize("call", [*ON_ONE, "WatchProjections"])
async def test_a_projection_that_is_not_there(client: Client, call: str) -> None:
    name = new_name()
    error = await failure(getattr(client.projections, call)(getattr(pb, call + "Request")(projection=name)))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "PROJECTION_NOT_FOUND")
    assert (error.detail.resource_type, error.detail.resource_name) == ("projection", name)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\tb"])
@pytest.mark.parametrize("call", [*ON_ONE, "WatchProjections"])
async def test_what_is_no_name(client: Client, call: str, name: str) -> None:
    if call == "WatchProjections" and not name:
        return
    assert (await failure(getattr(client.projections, call)(getattr(pb, call + "Request")(projection=name)))).fields == [
        "projection"
    ]


async def test_a_rebuild_that_is_none(client: Client) -> None:
    error = await failure(client.projections.RebuildProjection(pb.RebuildProjectionRequest(mode=7, revision=-1)))
    assert error.fields == ["projection", "mode", "revision"]


async def test_projections_are_listed_by_name(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        assert list((await client.projections.ListProjections(pb.ListProjectionsRequest())).projections) == []
        names = ["b", "a", "Z", "é"]
        for name in names:
            await (await RawWorker(client.channel, name).start()).stop()
        listed = (await client.projections.ListProjections(pb.ListProjectionsRequest())).projections
        assert [one.name for one in listed] == sorted(names)
        assert all(one.created_at.seconds and one.updated_at.seconds for one in listed)


async def test_a_pause_is_acknowledged_by_every_worker(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_PROJECTION_LEASE="60")) as client:
        model = ReadModel()
        workers = [await RawWorker(client.channel, "P", model, partitions=2, worker=name).start() for name in ("one", "two")]
        for worker in workers:
            await worker.until(lambda worker=worker: len(worker.leases) == 1)
        await client.append("A", event())
        paused = await pause(client, "P")
        assert (paused.acknowledged, list(paused.not_acknowledged)) == (2, [])
        assert paused.projection.state == pb.PAUSED
        assert {partition.state for partition in paused.projection.live.partitions} == {pb.PAUSED}
        assert len(paused.projection.workers) == 2
        assert paused.projection.waiting_for == ""
        before = len(model.positions())
        await client.append("A", event(), event())
        # Also a worker that comes now gets nothing; and pausing twice is no harm.
        late = await RawWorker(client.channel, "P", model, partitions=2).start()
        paused = await pause(client, "P")
        assert (paused.acknowledged, list(paused.not_acknowledged)) == (0, [])
        assert not late.leases
        assert len(model.positions()) == before
        resumed = await client.projections.ResumeProjection(pb.ResumeProjectionRequest(projection="P"))
        assert resumed.projection.state != pb.PAUSED
        await reaches(client, "P", pb.RUNNING)
        await until(lambda: _has(model, 3))
        resumed = await client.projections.ResumeProjection(pb.ResumeProjectionRequest(projection="P"))
        assert resumed.projection.state == pb.RUNNING
        for worker in (*workers, late):
            assert not worker.lost
            await worker.stop()


async def _has(model: ReadModel, events: int, build: int = 1) -> bool:
    return len(model.positions(build)) == events


async def test_a_pause_names_who_has_not_acknowledged_and_stands(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_PROJECTION_LEASE="5")) as client:
        model = ReadModel()
        good = await RawWorker(client.channel, "P", model, partitions=2, worker="good", max_partitions=1).start()
        await good.until(lambda: good.leases)
        deaf = RawWorker(client.channel, "P", model, partitions=2, worker="deaf")
        deaf.on_revoked = ignore
        await deaf.start()
        await deaf.until(lambda: deaf.leases)
        paused = await pause(client, "P", timeout=2)
        assert (paused.acknowledged, list(paused.not_acknowledged)) == (1, ["deaf"])
        assert paused.projection.state == pb.PAUSED
        await deaf.until(lambda: not deaf.leases)
        # With more time, it is cut off and counts as one that has.
        paused = await pause(client, "P")
        assert (paused.acknowledged, list(paused.not_acknowledged)) == (0, [])
        await deaf.stop()
        await good.stop()


async def test_a_pause_without_workers_answers_at_once(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await (await RawWorker(client.channel, "P").start()).stop()
        await reaches(client, "P", pb.STOPPED)
        paused = await pause(client, "P")
        assert (paused.acknowledged, list(paused.not_acknowledged), list(paused.projection.workers)) == (0, [], [])
        worker = await RawWorker(client.channel, "P").start()
        await worker.until(lambda: worker.got("heartbeat"))
        assert not worker.leases
        await worker.stop()


async def test_a_projection_is_deleted_when_nobody_runs_it(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await client.append("A", *[event() for _ in range(4)])
        worker = RawWorker(client.channel, "P")

        async def park_last(events: pb.Events) -> None:
            error = pb.HandlerError(position=4, message="no")
            await worker.say(park=pb.Park(lease=events.lease, error=error))
            await worker.say(handled=pb.Handled(lease=events.lease, position=4, events=3))

        worker.on_events = park_last
        await worker.start()
        await worker.until(lambda: worker.got("parked"))
        error = await failure(client.projections.DeleteProjection(pb.DeleteProjectionRequest(projection="P")))
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PROJECTION_IN_USE")
        assert (error.detail.resource_type, error.detail.resource_name) == ("projection", "P")
        await worker.stop()
        await reaches(client, "P", pb.STOPPED)
        deleted = await client.projections.DeleteProjection(pb.DeleteProjectionRequest(projection="P"))
        assert (deleted.checkpoint, deleted.parked_events) == (4, 1)
        error = await failure(client.projections.GetProjection(pb.GetProjectionRequest(projection="P")))
        assert error.reason == "PROJECTION_NOT_FOUND"
        # Who comes next begins anew.
        again = await RawWorker(client.channel, "P").start()
        await again.until(lambda: again.model.positions(2) == [1, 2, 3, 4])
        await again.stop()


@pytest.mark.parametrize("partitions", [1, 3])
async def test_a_rebuild_in_place_clears_and_replays(start_server: Callable[..., MinkProcess], partitions: int) -> None:
    async with connected(start_server()) as client:
        for i in range(50):
            await client.append(f"S-{i}", event(), event())
        model = ReadModel()
        workers = [await RawWorker(client.channel, "P", model, partitions=partitions).start() for _ in range(2)]
        await until(lambda: _has(model, 100))
        await reaches(client, "P", pb.RUNNING)
        model.build().events.append((0, "wrong", 0))
        shown = await rebuild(client, "P", pb.REBUILD_MODE_UNSPECIFIED)
        assert shown.state == pb.REBUILDING
        assert (shown.live.rebuild.mode, shown.live.rebuild.step) == (pb.IN_PLACE, "clearing")
        shown = await reaches(client, "P", pb.RUNNING)
        assert not shown.live.HasField("rebuild")
        assert (model.build().cleared, model.positions()) == (1, list(range(1, 101)))
        assert (shown.live.build, shown.checkpoint, sum(p.events for p in shown.live.partitions)) == (1, 100, 100)
        tasks = [assigned.task for worker in workers for assigned in worker.got("assigned")]
        assert tasks.count(pb.CLEAR) == 1
        for worker in workers:
            assert not worker.lost
            await worker.stop()


async def test_a_rebuild_tells_how_far_it_is(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        for _ in range(20):
            await client.append("A", *[event(binary=bytes(50_000)) for _ in range(5)])
        worker = await RawWorker(client.channel, "P").start()
        await worker.until(lambda: len(worker.model.positions()) == 100)
        await reaches(client, "P", pb.RUNNING)
        stuck: list[pb.Events] = []

        async def keep(events: pb.Events) -> None:
            stuck.append(events)

        worker.on_events = keep
        await rebuild(client, "P")
        await worker.until(lambda: len(stuck) == 4)
        await worker.handle(stuck[0])

        async def is_on_its_way() -> bool:
            progress = (await client.projection("P")).live.rebuild
            return progress.step == "replaying" and progress.position == stuck[0].position and progress.HasField("time_left")

        await until(is_on_its_way)
        shown = await client.projection("P")
        progress = shown.live.rebuild
        assert shown.state == pb.REBUILDING
        assert (progress.from_position, progress.to_position, progress.mode) == (0, 100, pb.IN_PLACE)
        assert progress.started_at.seconds
        assert 0 < progress.time_left.ToSeconds() < 3600
        assert shown.lag_events == 100 - stuck[0].position
        assert shown.lag.ToMilliseconds() > 0
        done = 1
        while len(worker.model.positions()) < 100:
            await worker.until(lambda: len(stuck) > done)  # noqa: B023 - called at once
            await worker.handle(stuck[done])
            done += 1
        await reaches(client, "P", pb.RUNNING)
        await worker.stop()


async def test_a_rebuild_side_by_side_leaves_no_moment_without_a_read_model(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        for i in range(50):
            await client.append(f"S-{i}", event(), event())
        model = ReadModel()
        old = await RawWorker(client.channel, "P", model, partitions=2, worker="old").start()
        await until(lambda: _has(model, 100))
        writing = True

        async def write() -> None:
            while writing:
                await client.append("S-1", event())

        writer = asyncio.create_task(write())
        new = await RawWorker(
            client.channel, "P", model, partitions=3, worker="new", revision=2, on_new_revision=pb.SIDE_BY_SIDE
        ).start()

        async def has_switched() -> bool:
            shown = await client.projection("P")
            assert shown.live.build == 2 or (model.live == 1 or shown.next.rebuild.step == "switching")
            return shown.live.build == 2 and not shown.HasField("next")

        await until(has_switched, 60)
        assert model.live == 2
        # What readers saw went on until the switch: the new one is as far as the old one was.
        assert set(model.positions(1)) <= set(range(1, await client.head() + 1))
        assert model.positions(1) == list(range(1, len(model.positions(1)) + 1))
        shown = await client.projection("P")
        assert (shown.live.revision, len(shown.live.partitions)) == (2, 3)
        writing = False
        await writer
        head = await client.head()
        await until(lambda: _has(model, head, 2))
        assert model.positions(2) == list(range(1, head + 1))
        assert len(model.positions(2)) >= len(model.positions(1))
        # The old code stands by, and is told why.
        assert old.partitions(1) == old.partitions(2) == []
        await new.stop()
        shown = await reaches(client, "P", pb.STOPPED)
        assert "revision 2" in shown.waiting_for
        await old.stop()


async def test_the_same_code_can_be_rebuilt_side_by_side(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await client.append("A", *[event() for _ in range(20)])
        worker = await RawWorker(client.channel, "P").start()
        await worker.until(lambda: _count(worker, 1) == 20)
        await reaches(client, "P", pb.RUNNING)
        shown = await rebuild(client, "P", pb.SIDE_BY_SIDE)
        assert (shown.state, shown.next.build, shown.next.rebuild.mode) == (pb.REBUILDING, 2, pb.SIDE_BY_SIDE)
        await worker.until(lambda: worker.model.live == 2)
        shown = await reaches(client, "P", pb.RUNNING)
        assert (shown.live.build, shown.live.revision, _count(worker, 2)) == (2, 1, 20)
        await worker.stop()


def _count(worker: RawWorker, build: int) -> int:
    return len(worker.model.positions(build))


async def test_a_rebuild_that_no_worker_can_do_is_refused(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        worker = await RawWorker(client.channel, "P", can_clear=False, can_switch=False).start()
        await worker.until(lambda: worker.leases)
        for mode in (pb.IN_PLACE, pb.SIDE_BY_SIDE):
            error = await failure(client.projections.RebuildProjection(pb.RebuildProjectionRequest(projection="P", mode=mode)))
            assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PROJECTION_IN_USE")
        await worker.stop()
        await reaches(client, "P", pb.STOPPED)
        # Nobody is there: it waits for who can.
        assert (await rebuild(client, "P")).state == pb.REBUILDING
        unable = await RawWorker(client.channel, "P", worker.model, can_clear=False).start()
        await unable.until(lambda: unable.got("heartbeat"))
        assert not unable.leases
        assert "can clear" in (await client.projection("P")).waiting_for
        able = await RawWorker(client.channel, "P", worker.model).start()
        await able.until(lambda: pb.CLEAR in [one.task for one in able.got("assigned")])
        await reaches(client, "P", pb.RUNNING)
        for one in (unable, able):
            await one.stop()


async def test_a_task_that_fails_is_a_fault(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        worker = await RawWorker(client.channel, "P").start()
        await reaches(client, "P", pb.RUNNING)

        async def fail(assigned: pb.Assigned) -> None:
            worker.model.claim(assigned.lease)
            worker.leases.pop(assigned.lease.token)
            await worker.say(faulted=pb.Faulted(lease=assigned.lease, error=pb.HandlerError(message="cannot clear")))

        worker.on_assigned = fail
        await rebuild(client, "P")
        shown = await reaches(client, "P", pb.FAULTED)
        assert shown.last_error.error.message == "cannot clear"
        worker.on_assigned = worker.begin
        await client.projections.RestartProjection(pb.RestartProjectionRequest(projection="P"))
        await reaches(client, "P", pb.RUNNING)
        assert worker.model.build().cleared == 1
        await worker.stop()


async def test_a_message_of_a_task_for_events_is_refused(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        worker = await RawWorker(client.channel, "P").start()
        await reaches(client, "P", pb.RUNNING)
        worker.on_assigned = ignore
        await rebuild(client, "P")
        (lease,) = await worker.until(lambda: [one.lease for one in worker.got("assigned") if one.task == pb.CLEAR])
        await worker.say(start=pb.Start(lease=lease))
        error = await worker.ends()
        assert error is not None
        assert "start.lease: is not for handling events" in (error.details() or "")
        await worker.stop()


class Watching:
    """A watch, and what it has said last."""

    def __init__(self, client: Client, name: str = "") -> None:
        self.call = client.projections.WatchProjections(pb.WatchProjectionsRequest(projection=name))
        self.answers: list[pb.WatchProjectionsResponse] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> Any:
        while (answer := await self.call.read()) is not grpc.aio.EOF:
            self.answers.append(answer)

    async def says(self, condition: Callable[[Any], Any]) -> None:
        async def is_so() -> bool:
            if self.task.done():
                self.task.result()
            return any(condition(answer.projections) for answer in self.answers)

        await until(is_so)

    async def leave(self) -> None:
        self.call.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_watch_tells_what_changes_and_lives(start_server: Callable[..., MinkProcess]) -> None:
    first, second = start_server(MINK_CHECKPOINT_SECONDS="1"), start_server()
    async with connected(first) as client, connected(second) as there:
        everything = Watching(client)
        await everything.says(lambda shown: len(shown) == 0)
        worker = await RawWorker(there.channel, "P").start()
        one = Watching(client, "P")
        for watch in (everything, one):
            await watch.says(lambda shown: [p.name for p in shown] == ["P"] and shown[0].state == pb.RUNNING)
        await there.append("A", event())
        await one.says(lambda shown: shown[0].checkpoint == 1)
        await pause(there, "P")
        await one.says(lambda shown: shown[0].state == pb.PAUSED)
        # Nothing changes any more but the time.
        await until(lambda: _quiet(one))
        before = len(one.answers)
        await until(lambda: _more(one, before + 2))
        quiet = one.answers[-2:]
        assert said(quiet[0]) == said(quiet[1])
        assert quiet[1].server_time.ToNanoseconds() - quiet[0].server_time.ToNanoseconds() > 900_000_000
        await worker.stop()
        await until(lambda: _deleted(there))
        await everything.says(lambda shown: len(shown) == 0 and everything.answers[-1].projections == shown)
        _, error = await rest_of(one.call)
        assert error is not None
        assert error.reason == "PROJECTION_NOT_FOUND"
        await everything.leave()
        await one.leave()


def said(answer: pb.WatchProjectionsResponse) -> list[pb.Projection]:
    """What an answer says, but for when workers gave their last sign of life."""
    projections = []
    for one in answer.projections:
        projections.append(pb.Projection.FromString(one.SerializeToString()))
        for worker in projections[-1].workers:
            worker.ClearField("seen_at")
    return projections


async def _quiet(watch: Watching) -> bool:
    return len(watch.answers) > 2 and said(watch.answers[-1]) == said(watch.answers[-2])


async def _more(watch: Watching, count: int) -> bool:
    return len(watch.answers) >= count


async def _deleted(client: Client) -> bool:
    try:
        await client.projections.DeleteProjection(pb.DeleteProjectionRequest(projection="P"))
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_a_watch_ends_when_the_server_stops(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    async with connected(server) as client:
        watch = Watching(client)
        await watch.says(lambda _: True)
        server.terminate()
        _, error = await rest_of(watch.call)
        assert error is not None
        assert error.reason == "SHUTTING_DOWN"
        assert await asyncio.to_thread(server.wait) == 0
        await watch.leave()


async def test_operators_call_it_by_reflection_as_they_do_with_grpcurl(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()

    async def curl(method: str, request: dict[str, Any]) -> dict[str, Any]:
        url = f"http://{server.grpc_address}/mink.v1.Projections/{method}"
        command = [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", json.dumps(request), url]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async with connected(server) as client:
        worker = await RawWorker(client.channel, "OrderSummary", partitions=2).start()
        await reaches(client, "OrderSummary", pb.RUNNING)
        (listed,) = (await curl("ListProjections", {}))["projections"]
        assert (listed["name"], listed["state"]) == ("OrderSummary", "RUNNING")
        shown = (await curl("GetProjection", {"projection": "OrderSummary"}))["projection"]
        assert [one["worker"] for one in shown["live"]["partitions"]] == ["worker", "worker"]
        paused = await curl("PauseProjection", {"projection": "OrderSummary"})
        assert (paused["acknowledged"], paused["projection"]["state"]) == (1, "PAUSED")
        await worker.stop()
