"""What happens when a handler fails: faults, restarts, parked events, and positions that are none of this log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mink.v1 import event_store_pb2 as store
from mink.v1 import projections_pb2 as pb

from tests.rpc.conftest import Client, connected, event, failure, new_name, until
from tests.support.raw_worker import RawWorker, ReadModel, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess


def poison(position: int, message: str = "cannot", attempts: int = 3) -> pb.HandlerError:
    return pb.HandlerError(position=position, type="Happened", stream="A", message=message, attempts=attempts)


class Picky(RawWorker):
    """A worker that parks events, or faults at one.

    Attributes:
        bad: Positions of events that its handler cannot handle.
        restart_after: What it says of a fault; None: nothing.
        parks: Whether it parks.
        tried: Positions of parked events that it was given again.
    """

    def __init__(self, *args: Any, bad: set[int], parks: bool = True, restart_after: float | None = None, **hello: Any) -> None:
        super().__init__(*args, **hello)
        self.bad = bad
        self.parks = parks
        self.restart_after = restart_after
        self.tried: list[int] = []
        self.on_events = self.try_each
        self.on_replay = self.try_again

    async def try_each(self, events: pb.Events) -> None:
        bad = [one for one in events.events if one.position in self.bad]
        if not bad:
            await self.handle(events)
            return
        if self.parks:
            waits_for = {one.position for one in bad}
            for one in bad:
                await self.say(park=pb.Park(lease=events.lease, error=poison(one.position)))
            rest = [one for one in events.events if one.position not in self.bad]

            async def go_on() -> None:
                await self.until(lambda: waits_for <= {answer.position for answer in self.got("parked")})
                self.model.apply(events.lease, rest, events.position)
                self.in_hand[events.lease.token] -= 1
                await self.say(
                    handled=pb.Handled(lease=events.lease, position=events.position, events=len(rest), errors=3 * len(bad))
                )

            self._tasks.append(asyncio.create_task(go_on()))
            return
        good = [one for one in events.events if one.position < bad[0].position]
        if good:
            self.model.apply(events.lease, good, good[-1].position)
            await self.say(handled=pb.Handled(lease=events.lease, position=good[-1].position, events=len(good)))
        fault = pb.Faulted(lease=events.lease, error=poison(bad[0].position))
        if self.restart_after is not None:
            fault.restart_after.FromNanoseconds(int(self.restart_after * 1e9))
        self.leases.pop(events.lease.token)
        await self.say(faulted=fault)

    async def try_again(self, replay: pb.Replay) -> None:
        self.tried.append(replay.event.position)
        error = poison(replay.event.position, "still cannot", 1) if replay.event.position in self.bad else None
        await self.say(replayed=pb.Replayed(lease=replay.lease, position=replay.event.position, error=error))


async def parked(client: Client, name: str, **fields: Any) -> list[int]:
    answer = await client.projections.ListParkedEvents(pb.ListParkedEventsRequest(projection=name, **fields))
    return [one.position for one in answer.events]


async def test_a_fault_stands_until_somebody_restarts_the_projection(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_PROJECTION_LEASE="2")) as client:
        await client.append("A", *[event() for _ in range(10)])
        worker = Picky(client.channel, "P", bad={6}, parks=False)
        await worker.start()

        async def is_faulted() -> bool:
            return (await client.projection("P")).state == pb.FAULTED

        await until(is_faulted)
        shown = await client.projection("P")
        assert shown.checkpoint == 5
        error = shown.last_error.error
        assert (error.position, error.type, error.stream, error.message, error.attempts) == (6, "Happened", "A", "cannot", 3)
        (partition,) = shown.live.partitions
        assert (partition.state, partition.worker_id, partition.errors) == (pb.FAULTED, "", 3)
        assert not partition.HasField("restarts_at")
        # Nobody gets it by itself: not the worker that is there, not another one, however many rounds go by.
        other = await RawWorker(client.channel, "P", worker.model).start()
        await other.until(lambda: len(other.got("heartbeat")) > 5)
        assert not worker.leases
        assert not other.leases
        await worker.stop()
        await client.projections.RestartProjection(pb.RestartProjectionRequest(projection="P"))
        await other.until(lambda: worker.model.positions() == list(range(1, 11)))
        assert other.got("assigned")[0].checkpoint == 5

        async def is_well() -> bool:
            shown = await client.projection("P")
            return shown.state == pb.RUNNING and not shown.HasField("last_error")

        await until(is_well)
        await other.stop()


async def test_a_fault_can_say_when_it_is_to_be_tried_again(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_PROJECTION_LEASE="2")) as client:
        await client.append("A", *[event() for _ in range(3)])
        worker = Picky(client.channel, "P", bad={2}, parks=False, restart_after=1.5)
        await worker.start()

        async def is_faulted() -> bool:
            return (await client.projection("P")).state == pb.FAULTED

        await until(is_faulted)
        assert (await client.projection("P")).live.partitions[0].HasField("restarts_at")
        worker.bad.clear()
        await worker.until(lambda: worker.model.positions() == [1, 2, 3])
        await worker.stop()


async def test_parked_events_are_kept_listed_replayed_and_dropped(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        for i in range(30):
            await client.append(f"A-{i % 4}", event())
        bad = {3, 7, 11, 20, 29}
        worker = Picky(client.channel, "P", bad=set(bad), partitions=2)
        await worker.start()
        await worker.until(lambda: len(worker.model.positions()) == 25)
        assert set(worker.model.positions()) == set(range(1, 31)) - bad

        async def all_parked() -> bool:
            return (await client.projection("P")).parked_events == 5

        await until(all_parked)
        answer = await client.projections.ListParkedEvents(pb.ListParkedEventsRequest(projection="P", page_size=2))
        assert [one.position for one in answer.events] == [3, 7]
        first = answer.events[0]
        assert (first.stream, first.version, first.type, first.message, first.attempts) == ("A", 1, "Happened", "cannot", 3)
        assert len(first.event_id) == 36
        assert not first.replaying
        assert await parked(client, "P", page_size=2, page_token=answer.next_page_token) == [11, 20]
        last = await client.projections.ListParkedEvents(
            pb.ListParkedEventsRequest(projection="P", page_size=3, page_token=answer.next_page_token)
        )
        assert ([one.position for one in last.events], last.next_page_token) == ([11, 20, 29], "")

        # Tried again, some of them: what fails again stays, with what was said last.
        worker.bad = {7}
        done = await client.projections.ReplayParkedEvents(
            pb.ReplayParkedEventsRequest(projection="P", positions=[3, 7, 11, 7, 500]), timeout=30
        )
        assert (done.handled, done.failed, done.waiting) == (2, 1, 0)
        assert sorted(worker.tried) == [3, 7, 11]
        answer = await client.projections.ListParkedEvents(pb.ListParkedEventsRequest(projection="P"))
        assert [(one.position, one.message) for one in answer.events] == [
            (7, "still cannot"), (20, "cannot"), (29, "cannot"),
        ]  # fmt: skip
        dropped = await client.projections.DropParkedEvents(pb.DropParkedEventsRequest(projection="P", positions=[20, 3]))
        assert dropped.dropped == 1
        worker.bad = set()
        done = await client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=30)
        assert (done.handled, done.failed, done.waiting) == (2, 0, 0)
        # Each was tried as often as was asked for.
        assert sorted(worker.tried) == [3, 7, 7, 11, 29]
        assert await parked(client, "P") == []
        done = await client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=30)
        assert (done.handled, done.failed, done.waiting) == (0, 0, 0)
        await worker.stop()


async def test_parked_events_wait_for_a_worker(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await client.append("A", *[event() for _ in range(5)])
        worker = Picky(client.channel, "P", bad={2, 4})
        await worker.start()
        await worker.until(lambda: worker.model.positions() == [1, 3, 5])
        await worker.stop()

        async def nobody_is_there() -> bool:
            return not (await client.projection("P")).workers

        await until(nobody_is_there)
        done = await client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=60)
        assert (done.handled, done.failed, done.waiting) == (0, 0, 2)
        answer = await client.projections.ListParkedEvents(pb.ListParkedEventsRequest(projection="P"))
        assert [one.replaying for one in answer.events] == [True, True]
        # One that does not try them: the caller's time ends it.
        silent = RawWorker(client.channel, "P", worker.model)
        silent.on_replay = ignore
        await silent.start()
        await silent.until(lambda: silent.got("replay"))
        done = await client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=2)
        assert done.waiting == 2
        assert len(silent.got("replay")) == 1, "one at a time"
        await silent.stop()
        willing = Picky(client.channel, "P", worker.model, bad=set())
        await willing.start()
        await until(lambda: _none_parked(client))
        assert willing.tried == [2, 4]
        await willing.stop()


async def _none_parked(client: Client) -> bool:
    return await parked(client, "P") == []


async def test_a_parked_event_that_was_removed_from_the_log_has_failed_and_is_dropped(
    start_server: Callable[..., MinkProcess],
) -> None:
    async with connected(start_server()) as client:
        await client.append("A", event(), event(), event())
        await client.append("B", event())
        worker = Picky(client.channel, "P", bad={1, 2, 4})
        await worker.start()
        await worker.until(lambda: worker.model.positions() == [3])
        await client.store.TruncateStream(store.TruncateStreamRequest(stream="A", before_version=2))
        worker.bad = {4}
        done = await client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=30)
        assert (done.handled, done.failed, done.waiting) == (1, 2, 0)
        assert worker.tried == [2, 4]
        assert await parked(client, "P") == [4]
        await worker.stop()


async def test_what_was_parked_after_the_start_is_forgotten(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await client.append("A", *[event() for _ in range(6)])
        worker = Picky(client.channel, "P", bad={2, 5})
        await worker.start()
        await worker.until(lambda: len(worker.model.positions()) == 4)
        await worker.stop()
        # The read model was restored from a copy.
        restored = ReadModel()
        restored.build().checkpoints[0] = 3
        again = await RawWorker(client.channel, "P", restored).start()
        await again.until(lambda: restored.positions() == [4, 5, 6])
        assert await parked(client, "P") == [2]
        await again.stop()


async def test_no_other_event_comes_by_way_of_a_replay(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        await client.append("Secret-1", event())
        await client.append("Mine-1", event())
        worker = RawWorker(client.channel, "P", filter=store.EventFilter(stream_prefixes=["Mine-"]))
        worker.on_events = ignore
        await worker.start()
        (events,) = await worker.until(lambda: worker.got("events"))
        await worker.say(park=pb.Park(lease=events.lease, error=poison(1)))
        await worker.until(lambda: worker.got("parked"))
        done = await client.projections.ReplayParkedEvents(pb.ReplayParkedEventsRequest(projection="P"), timeout=30)
        assert (done.handled, done.failed) == (0, 1)
        assert not worker.got("replay")
        await worker.stop()


@pytest.mark.parametrize("other_log", [False, True])
async def test_a_position_that_is_none_of_this_log_faults_the_partition(
    start_server: Callable[..., MinkProcess], other_log: bool
) -> None:
    async with connected(start_server()) as client:
        await client.append("A", *[event() for _ in range(5)])
        model = ReadModel()
        worker = RawWorker(client.channel, "P", model)

        async def start_elsewhere(assigned: pb.Assigned) -> None:
            model.claim(assigned.lease)
            log_id = "another-log" if other_log else worker.welcome.log_id
            await worker.say(start=pb.Start(lease=assigned.lease, after_position=3 if other_log else 6, log_id=log_id))

        worker.on_assigned = start_elsewhere
        await worker.start()
        await worker.until(lambda: worker.lost)
        shown = await client.projection("P")
        assert (shown.state, shown.checkpoint) == (pb.FAULTED, 0)
        said = shown.last_error.error.message
        assert said.startswith("POSITION_AHEAD")
        for part in (await client.log_id(), "head 5", "position 3 of log another-log" if other_log else "position 6"):
            assert part in said
        assert not worker.got("events")
        await worker.stop()


async def test_what_a_handler_says_is_cut_and_kept_whatever_it_is(client: Client) -> None:
    name = new_name()
    worker = RawWorker(client.channel, name, from_end=True)
    worker.on_events = worker.on_progress = ignore
    await worker.start()
    await worker.until(lambda: worker.caught_up)
    (held,) = worker.leases.values()
    message = "\x00\x07" + "\U0001f600" * 2500
    error = pb.HandlerError(position=-5, type="T\x00" * 300, stream="s" * 600, message=message, attempts=-1)
    await worker.say(faulted=pb.Faulted(lease=held.lease, error=error))

    async def is_faulted() -> bool:
        return (await client.projection(name)).state == pb.FAULTED

    await until(is_faulted)
    kept = (await client.projection(name)).last_error.error
    assert (kept.position, len(kept.type), len(kept.stream), len(kept.message), kept.attempts) == (0, 255, 500, 2000, 0)
    assert kept.message.startswith("\ufffd\x07\U0001f600")
    await worker.stop()


@pytest.mark.parametrize(
    ("call", "request_", "fields"),
    [
        ("ListParkedEvents", pb.ListParkedEventsRequest(page_size=-1, page_token="?"), ["projection", "page_size", "page_token"]),
        ("ListParkedEvents", pb.ListParkedEventsRequest(projection="P", page_size=1001), ["page_size"]),
        ("ListParkedEvents", pb.ListParkedEventsRequest(projection="P", page_token="LTE="), ["page_token"]),
        ("ListParkedEvents", pb.ListParkedEventsRequest(projection="P", page_token="eA=="), ["page_token"]),
        ("ReplayParkedEvents", pb.ReplayParkedEventsRequest(positions=[1, 0]), ["projection", "positions[1]"]),
        ("ReplayParkedEvents", pb.ReplayParkedEventsRequest(projection="P", positions=[1] * 1001), ["positions"]),
        ("DropParkedEvents", pb.DropParkedEventsRequest(projection="P"), ["positions"]),
        ("DropParkedEvents", pb.DropParkedEventsRequest(projection="P", positions=[1], all=True), ["all"]),
        ("DropParkedEvents", pb.DropParkedEventsRequest(projection="P", positions=[-1]), ["positions[0]"]),
    ],
)
async def test_wrong_requests_name_their_fields(client: Client, call: str, request_: Any, fields: list[str]) -> None:
    assert (await failure(getattr(client.projections, call)(request_))).fields == fields


@pytest.mark.parametrize("call", ["ListParkedEvents", "ReplayParkedEvents", "DropParkedEvents"])
async def test_there_is_nothing_parked_of_what_is_not_there(client: Client, call: str) -> None:
    name = new_name()
    more = {"all": True} if call == "DropParkedEvents" else {}
    error = await failure(getattr(client.projections, call)(getattr(pb, call + "Request")(projection=name, **more)))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "PROJECTION_NOT_FOUND")
    assert (error.detail.resource_type, error.detail.resource_name) == ("projection", name)
