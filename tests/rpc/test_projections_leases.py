"""Who holds which lease: shares, workers that die, hang or are cut off, servers that die, and what an old token is worth."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc
from mink.v1 import projections_pb2 as pb

from tests.rpc.conftest import Client, connected, event, new_name, told, until
from tests.support.raw_worker import RawWorker, ReadModel, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

# Leases that nobody loses for being slow, here: what has to happen at once must not be what happens at their end.
LONG = {"MINK_PROJECTION_LEASE": "60"}
SHORT = {"MINK_PROJECTION_LEASE": "2"}


async def shares(workers: list[RawWorker], *counts: int) -> None:
    """Waits until the workers hold so many partitions, none twice."""

    async def are_given() -> bool:
        held = [worker.partitions() for worker in workers]
        return [len(some) for some in held] == list(counts) and len({p for some in held for p in some}) == sum(counts)

    await until(are_given)


async def test_partitions_are_shared_by_those_that_are_there(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(**LONG)) as client:
        model = ReadModel()

        async def join(**hello: Any) -> RawWorker:
            return await RawWorker(client.channel, "P", model, partitions=4, **hello).start()

        writing = True

        async def write() -> None:
            count = 0
            while writing:
                count += 1
                await client.append(f"S-{count % 20}", event(), event())

        writer = asyncio.create_task(write())
        workers = [await join()]
        await shares(workers, 4)
        workers.append(await join())
        await shares(workers, 2, 2)
        workers.append(await join(max_partitions=1))
        await shares(workers, 2, 1, 1)
        workers += [await join(), await join()]
        await shares(workers, 1, 1, 1, 1, 0)  # the fifth stands by
        await workers[1].stop()
        await shares([workers[0], *workers[2:]], 1, 1, 1, 1)
        for worker in (workers[0], workers[3], workers[4]):
            await worker.stop()
        await shares([workers[2]], 1)
        await workers[2].stop()
        last = await join()
        await shares([last], 4)
        writing = False
        await writer
        head = await client.head()
        await last.until(lambda: len(model.positions()) == head)
        assert model.positions() == list(range(1, head + 1))
        # Whoever gave something back was asked to: nobody has lost a lease.
        assert all(not worker.lost for worker in workers)
        await last.stop()


async def test_a_worker_whose_connection_breaks_is_replaced_at_once(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(**LONG)
    async with connected(server) as client, connected(server) as other:
        await client.append("A", *[event() for _ in range(100)])
        first = await RawWorker(client.channel, "P").start()
        await first.until(lambda: len(first.model.positions()) == 100)
        second = await RawWorker(other.channel, "P", first.model).start()
        assert not second.leases

        async def stored() -> bool:
            return (await other.projection("P")).checkpoint == 100

        await until(stored)
        await client.channel.close()  # as a process that is killed does
        await second.until(lambda: second.leases)
        await other.append("A", event())
        await second.until(lambda: second.model.positions() == list(range(1, 102)))
        # The first one's progress was not lost with it.
        assert second.got("assigned")[0].checkpoint == 100
        await second.stop()
        await first.stop()


async def test_a_worker_that_is_silent_is_cut_off_and_replaced(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(**SHORT)) as client:
        await client.append("A", event())
        hung = await RawWorker(client.channel, "P").start()
        await hung.until(lambda: hung.leases and hung.caught_up)
        second = await RawWorker(client.channel, "P", hung.model).start()
        assert second.welcome.lease.ToMilliseconds() == 2000
        assert second.welcome.heartbeat_interval.ToMilliseconds() == 400
        hung.beats = False
        hung.on_progress = hung.on_events = ignore
        await client.append("A", event())
        await second.until(lambda: second.model.positions() == [1, 2])
        error = await hung.ends()
        assert error is not None
        said = told(error)
        assert (said.code, said.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        assert "nothing was heard" in said.message
        assert [one.worker_id for one in (await client.projection("P")).workers] == [second.welcome.worker_id]
        await second.stop()


async def test_heartbeats_alone_keep_a_lease(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(**SHORT)) as client:
        worker = await RawWorker(client.channel, "P").start()
        worker.on_progress = worker.on_events = ignore
        await worker.until(lambda: len(worker.got("heartbeat")) > 12)  # two leases' time and more
        assert worker.partitions() == [0]
        assert len(worker.got("assigned")) == 1
        await worker.stop()


async def test_a_lease_that_is_not_given_back_ends_and_its_token_is_worth_nothing(
    start_server: Callable[..., MinkProcess],
) -> None:
    async with connected(start_server(**SHORT)) as client:
        await client.append("A", *[event() for _ in range(10)])
        deaf = RawWorker(client.channel, "P")
        deaf.on_revoked = ignore
        deaf.on_events = ignore
        deaf.on_progress = ignore
        await deaf.start()
        (events,) = await deaf.until(lambda: deaf.got("events"))
        await client.projections.RestartProjection(pb.RestartProjectionRequest(projection="P"))
        # It had time to give it back, and has the lease until then.
        (revoked,) = await deaf.until(lambda: deaf.got("revoked"))
        assert not revoked.lost
        assert (await client.projection("P")).state == pb.RESTARTING
        await deaf.until(lambda: deaf.lost)
        await deaf.until(lambda: len(deaf.got("assigned")) == 2)
        old, new = (one.lease for one in deaf.got("assigned"))
        assert new.token > old.token
        # What comes with the old one changes nothing, and is answered.
        before = len(deaf.lost)
        error = pb.HandlerError(position=5, message="bad")
        await deaf.say(handled=pb.Handled(lease=events.lease, position=10, events=10))
        await deaf.say(park=pb.Park(lease=events.lease, error=error))
        await deaf.say(faulted=pb.Faulted(lease=events.lease, error=error))
        await deaf.say(start=pb.Start(lease=events.lease))
        await deaf.say(replayed=pb.Replayed(lease=events.lease, position=1))
        await deaf.say(released=pb.Released(lease=events.lease))
        await deaf.until(lambda: len(deaf.lost) == before + 5)
        assert set(deaf.lost) == {old.token}
        shown = await client.projection("P")
        assert (shown.checkpoint, shown.parked_events, shown.live.partitions[0].events) == (0, 0, 0)
        assert shown.state == pb.CATCHING_UP
        # A lease of another partition or build is none either.
        await deaf.say(handled=pb.Handled(lease=pb.LeaseKey(build=2, partition=0, token=new.token)))
        await deaf.until(lambda: new.token in deaf.lost)
        await deaf.stop()


async def test_two_servers_share_a_projection_and_one_dies(start_server: Callable[..., MinkProcess]) -> None:
    first, second = start_server(**SHORT), start_server(**SHORT)
    async with connected(first) as here, connected(second) as there:
        model = ReadModel()
        await there.append("A-1", *[event() for _ in range(50)])
        one = await RawWorker(here.channel, "P", model, partitions=4, worker="one").start()
        await shares([one], 4)
        two = await RawWorker(there.channel, "P", model, partitions=4, worker="two").start()
        await shares([one, two], 2, 2)
        for shown in (await here.projection("P"), await there.projection("P")):
            assert sorted(worker.worker for worker in shown.workers) == ["one", "two"]
            assert sorted(partition.worker for partition in shown.live.partitions) == ["one", "one", "two", "two"]
        first.kill()
        await shares([two], 4)
        for i in range(20):
            await there.append(f"B-{i}", event())
        await two.until(lambda: len(model.positions()) == 70)
        assert model.positions() == list(range(1, 71))
        await one.stop()
        await two.stop()


async def test_what_is_asked_of_one_server_is_done_by_the_other_at_once(start_server: Callable[..., MinkProcess]) -> None:
    first, second = start_server(**LONG), start_server(**LONG)
    async with connected(first) as here, connected(second) as there:
        worker = await RawWorker(here.channel, "P").start()
        await worker.until(lambda: worker.leases)
        # A round comes every twelve seconds.
        paused = await there.projections.PauseProjection(pb.PauseProjectionRequest(projection="P"), timeout=30)
        assert (paused.acknowledged, list(paused.not_acknowledged)) == (1, [])
        await there.projections.ResumeProjection(pb.ResumeProjectionRequest(projection="P"))
        await worker.until(lambda: worker.leases, 10)
        await worker.stop()
        other = await RawWorker(there.channel, "P", worker.model).start()
        await other.until(lambda: other.leases, 10)
        await other.stop()


async def test_a_server_that_stops_lets_its_workers_give_back_what_they_hold(start_server: Callable[..., MinkProcess]) -> None:
    first, second = start_server(**LONG), start_server(**LONG)
    async with connected(first) as here, connected(second) as there:
        await there.append("A", *[event() for _ in range(10)])
        worker = RawWorker(here.channel, "P")
        got: list[pb.Events] = []

        async def keep(events: pb.Events) -> None:
            got.append(events)

        async def finish_first(revoked: pb.Revoked) -> None:
            for events in got:
                await worker.handle(events)
            await worker.give_back(revoked)

        worker.on_events, worker.on_revoked = keep, finish_first
        await worker.start()
        await worker.until(lambda: got)
        other = await RawWorker(there.channel, "P", worker.model).start()
        first.terminate()
        error = await worker.ends()
        assert error is not None
        assert (error.code(), told(error).reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        assert not worker.lost
        await other.until(lambda: other.leases, 10)
        assert other.got("assigned")[0].checkpoint == 10
        assert await asyncio.to_thread(first.wait) == 0
        await there.append("A", event())
        await other.until(lambda: other.model.positions() == list(range(1, 12)))
        await other.stop()
        await worker.stop()


async def test_a_server_that_stops_does_not_wait_for_ever(start_server: Callable[..., MinkProcess]) -> None:
    first, second = start_server(MINK_DRAIN_SECONDS="2", **LONG), start_server(**LONG)
    async with connected(first) as here, connected(second) as there:
        worker = RawWorker(here.channel, "P")
        worker.on_revoked = ignore
        await worker.start()
        await worker.until(lambda: worker.leases)
        other = await RawWorker(there.channel, "P").start()
        first.terminate()
        error = await worker.ends()
        assert error is not None
        assert told(error).reason == "SHUTTING_DOWN"
        await other.until(lambda: other.leases, 10)
        assert await asyncio.to_thread(first.wait) == 0
        await other.stop()
        await worker.stop()


async def test_a_call_ends_at_its_age_and_its_leases_are_given_back(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_CONNECTION_AGE="2", **LONG)
    async with connected(server) as client:
        worker = await RawWorker(client.channel, "P").start()
        await worker.until(lambda: worker.leases)
        error = await worker.ends()
        assert error is not None
        assert (told(error).reason, "age" in told(error).message) == ("SHUTTING_DOWN", True)
        assert [one.lost for one in worker.got("revoked")] == [False]
        shown = await client.projection("P")
        assert (shown.state, len(shown.workers)) == (pb.STOPPED, 0)
        await worker.stop()


async def test_a_worker_that_says_goodbye_gives_back_what_it_holds(client: Client) -> None:
    name = new_name()
    worker = await RawWorker(client.channel, name).start()
    await worker.until(lambda: worker.leases)
    await worker.call.done_writing()
    assert await worker.ends() is None
    assert await worker.call.code() is grpc.StatusCode.OK
    shown = await client.projection(name)
    assert (shown.state, len(shown.workers)) == (pb.STOPPED, 0)
    await worker.stop()


async def test_leases_are_lost_while_the_database_is_away_and_come_back_with_it(
    own_postgres: Postgres, start_server: Callable[..., MinkProcess]
) -> None:
    server = start_server(own_postgres.dsn, MINK_DATABASE_TIMEOUT="1", **SHORT)
    async with connected(server) as client:
        await client.append("A", event())
        worker = await RawWorker(client.channel, "P").start()
        await worker.until(lambda: worker.model.positions() == [1])
        (token,) = worker.leases
        await asyncio.to_thread(own_postgres._do, own_postgres.embedded.stop())
        await worker.until(lambda: worker.lost == [token])
        beats = len(worker.got("heartbeat"))
        await asyncio.to_thread(own_postgres._do, own_postgres.embedded.start())
        await worker.until(lambda: worker.leases)
        await worker.until(lambda: len(worker.got("heartbeat")) > beats)
        await client.append("A", event())
        await worker.until(lambda: worker.model.positions() == [1, 2])
        await worker.stop()


async def test_a_projection_that_cannot_be_looked_at_stops_no_other(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_PROJECTION_LEASE="5")
    async with connected(server) as client:
        names = ["a", "b", "c", "d"]
        workers = {name: await RawWorker(client.channel, name).start() for name in names}
        for worker in workers.values():
            await worker.until(lambda worker=worker: worker.caught_up)
        connection = await asyncpg.connect(server.env["DATABASE_URL"])
        try:
            async with connection.transaction():
                schema = server.env["DATABASE_SCHEMA"]
                await connection.execute(f"select from {schema}.projections where name = 'a' for update")
                await workers["a"].until(lambda: workers["a"].lost)
                beats = len(workers["b"].got("heartbeat"))
                await workers["b"].until(lambda: len(workers["b"].got("heartbeat")) > beats + 5)
                await client.append("S", event())
                for name in names[1:]:
                    await workers[name].until(lambda name=name: workers[name].model.positions() == [1])
        finally:
            await connection.close()
        await workers["a"].until(lambda: workers["a"].model.positions() == [1])
        for name in names[1:]:
            assert not workers[name].lost
            assert len(workers[name].got("assigned")) == 1
        for worker in workers.values():
            await worker.stop()


async def test_a_server_that_stood_still_does_not_blame_its_workers(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_PROJECTION_LEASE="5")
    async with connected(server) as client:
        worker = await RawWorker(client.channel, "P").start()
        await worker.until(lambda: worker.leases)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(4)  # longer than a worker may be silent, and shorter than a lease
        finally:
            os.kill(server.pid, signal.SIGCONT)
        beats = len(worker.got("heartbeat"))
        await worker.until(lambda: len(worker.got("heartbeat")) > beats + 3)
        assert (worker.lost, worker.partitions()) == ([], [0])
        await worker.stop()


async def test_a_restart_gives_leases_anew(client: Client) -> None:
    name = new_name()
    worker = await RawWorker(client.channel, name, partitions=2).start()
    await worker.until(lambda: len(worker.leases) == 2)
    before = max(worker.leases)
    await client.projections.RestartProjection(pb.RestartProjectionRequest(projection=name))
    await worker.until(lambda: len(worker.leases) == 2 and min(worker.leases) > before)
    assert not worker.lost
    assert [one.lost for one in worker.got("revoked")] == [False, False]
    await worker.stop()
