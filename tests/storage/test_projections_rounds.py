"""Rounds: who gets which lease, for how long, and what others hear of it; on every Postgres."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mink_server.core.errors import DatabaseUnavailableError
from mink_server.core.filters import EventFilter
from mink_server.core.projections.model import Member, Progress, RebuildMode, Task
from mink_server.storage.database import Database, OwnConnection
from mink_server.storage.listener import Listener
from mink_server.storage.migrations import Migrations

from tests.storage.conftest import StoredLog, event
from tests.storage.projecting import ERROR, Server, come_to, held, pass_time, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.databases import Postgres


async def test_the_first_worker_gets_every_partition(log: StoredLog, server: Server) -> None:
    await log.append("A", event(), event())
    where = EventFilter(categories=frozenset({"Order"}), stream_prefixes=("b", "a"), types=frozenset({"Ü", "x"}))
    member = await server.join(partitions=3, where=where, start_after=2)
    orders = (await server.round())[member.worker]
    assert orders.known
    assert [(g.lease.build, g.lease.partition, g.task) for g in orders.grants] == [(1, n, Task.HANDLE) for n in range(3)]
    tokens = [grant.lease.token for grant in orders.grants]
    assert tokens == sorted(set(tokens))
    for grant in orders.grants:
        assert (grant.checkpoint, grant.partitions, grant.live, grant.live_build) == (2, 3, True, 1)
        assert grant.where is not None
        assert (grant.where.categories, set(grant.where.stream_prefixes)) == (where.categories, {"a", "b"})
        assert (grant.where.types, grant.where.streams) == (where.types, frozenset())
    assert held(await server.control.get("P")) == dict.fromkeys(range(3), member.worker)
    again = (await server.round())[member.worker]
    assert (again.grants, again.revokes, again.lost) == ([], [], [])


async def test_workers_of_two_servers_share_and_nobody_takes_what_is_held(new_server: Callable[..., Server]) -> None:
    one, two = new_server(), new_server()
    first = await one.join(partitions=5)
    await one.round()
    before = dict(first.leases)
    second = await two.join(partitions=5)
    assert (await two.round())[second.worker].grants == [], "what is held is not given away"
    revokes = (await one.round())[first.worker].revokes
    assert len(revokes) == 2
    assert all(lease in before for lease in revokes)
    assert len(held(await one.control.get("P"))) == 5, "a revoked lease stands until it is given back"
    await one.release_revoked()
    grants = (await two.round())[second.worker].grants
    assert sorted(g.lease.partition for g in grants) == sorted(lease.partition for lease in revokes)
    assert min(g.lease.token for g in grants) > max(lease.token for lease in before)
    await settle(one, two)
    assert sorted(map(len, (first.leases, second.leases))) == [2, 3]
    await two.leave(second)
    await settle(one)
    assert len(first.leases) == 5


async def test_a_worker_takes_no_more_than_it_says(new_server: Callable[..., Server]) -> None:
    one, two = new_server(), new_server()
    small = await one.join(partitions=6, max_partitions=1)
    large = await two.join(partitions=6)
    await settle(one, two)
    assert (len(small.leases), len(large.leases)) == (1, 5)


async def test_a_round_renews_and_saves(log: StoredLog, server: Server) -> None:
    await log.append("A", event(), event())
    await server.join()
    lease = await server.only_lease()
    before = await server.partition()
    await come_to(server, 2, events=2, errors=1, rate=7.5, caught_up=True)
    after = await server.partition()
    assert after.lease_until > before.lease_until
    assert (after.checkpoint, after.events, after.errors, after.rate, after.caught_up) == (2, 2, 1, 7.5, True)
    assert after.updated_at > before.updated_at
    assert (after.token, after.leased_at) == (lease.token, before.leased_at)
    await come_to(server, 2, events=0, errors=1)
    later = await server.partition()
    assert later.updated_at == after.updated_at, "it says when the checkpoint moved"
    assert (later.events, later.errors) == (2, 2)
    await server.round()
    assert (await server.partition()).checkpoint == 2


async def test_what_a_dead_server_held_is_taken_by_another_when_it_has_run_out(
    log: StoredLog, new_server: Callable[..., Server]
) -> None:
    dead, alive = new_server(lease=60), new_server(lease=60)
    gone = await dead.join()
    old = await dead.only_lease()
    await dead.workers.park(old, ERROR)
    taker = await alive.join()
    assert (await alive.round())[taker.worker].grants == []
    await pass_time(log.database, log.schema, 61)
    await alive.round()
    [new] = taker.leases
    assert new.token > old.token
    before = await alive.partition()
    workers = dead.workers
    assert await workers.save([Progress(old, 99)]) == [old]
    assert not await workers.release(old, Progress(old, 99))
    assert not await workers.start(old, 0)
    assert not await workers.park(old, ERROR)
    assert not await workers.replayed(old, ERROR.position, None)
    assert not await workers.fault(old, ERROR, 1)
    assert not await workers.done(old)
    gone.leases[old] = Progress(old, 99)
    assert (await dead.round())[gone.worker].lost == [old]
    assert await alive.partition() == before
    assert [e.position for e in await alive.control.parked("P", 0, 10)] == [ERROR.position]
    assert await alive.workers.save([Progress(new, 1)]) == []


async def test_a_lease_that_has_run_out_does_not_come_back_although_nobody_has_taken_it(log: StoredLog, server: Server) -> None:
    member = await server.join()
    old = await server.only_lease()
    await pass_time(log.database, log.schema, 61)
    assert await server.workers.save([Progress(old, 99)]) == [old]
    assert not await server.workers.release(old, Progress(old, 99))
    member.leases[old] = Progress(old, 99)
    orders = (await server.round())[member.worker]
    assert orders.known
    assert orders.lost == [old]
    assert [grant.lease.token > old.token for grant in orders.grants] == [True]
    assert (await server.partition()).checkpoint == 0


async def test_a_lease_runs_out_by_itself(new_server: Callable[..., Server]) -> None:
    dead, alive = new_server(lease=0.3), new_server(lease=60)
    await dead.join()
    old = await dead.only_lease()
    taker = await alive.join()
    async with asyncio.timeout(20):
        while not taker.leases:
            await alive.round()
    [new] = taker.leases
    assert new.token > old.token
    assert await dead.workers.save([Progress(old, 1)]) == [old]


async def test_a_worker_that_leaves_gives_back_and_gets_no_more(server: Server) -> None:
    member = await server.join(partitions=2)
    await server.round()
    member.leaving = True
    orders = (await server.round())[member.worker]
    assert sorted(lease.partition for lease in orders.revokes) == [0, 1]
    await server.release_revoked()
    assert (await server.round())[member.worker].grants == []
    assert (await server.control.get("P")).row.workers[0].leaving


async def test_workers_that_are_long_gone_are_forgotten_and_told_so_when_they_come_back(
    log: StoredLog, new_server: Callable[..., Server]
) -> None:
    stalled, alive = new_server(), new_server()
    forgotten = await stalled.join(partitions=2)
    await stalled.round()
    await pass_time(log.database, log.schema, 100)
    taker = await alive.join(partitions=2)
    await alive.round()
    assert {w.worker for w in (await alive.control.get("P")).row.workers} == {forgotten.worker, taker.worker}
    await pass_time(log.database, log.schema, 50)
    await alive.round()  # it lives on
    await pass_time(log.database, log.schema, 250)
    await alive.join(partitions=2)
    await alive.round()
    assert forgotten.worker not in {w.worker for w in (await alive.control.get("P")).row.workers}
    leases = list(forgotten.leases)
    orders = (await stalled.round())[forgotten.worker]
    assert not orders.known
    assert orders.lost == leases
    assert orders.grants == []


async def test_leases_of_workers_that_are_not_known_end(log: StoredLog, server: Server) -> None:
    member = await server.join()
    old = await server.only_lease()
    async with log.database.connection() as connection:
        await connection.execute(f"delete from {log.schema}.projection_workers where worker = $1", member.worker)
    del server.members[member.worker]
    other = await server.join()
    await server.round()
    assert [lease.token > old.token for lease in other.leases] == [True]


async def test_a_projection_that_is_gone_knows_nobody(server: Server) -> None:
    member = await server.join()
    stays = await server.join("Q")
    await server.round()
    [lease] = member.leases
    server.members[member.worker] = Member("nothing", member.worker, leases={lease: None})
    told = await server.round()
    assert (told[member.worker].known, told[member.worker].lost) == (False, [lease])
    assert told[stays.worker].known


async def test_without_workers_a_round_is_nothing(server: Server) -> None:
    assert await server.workers.round([]) == {}
    assert await server.workers.save([]) == []


async def test_many_rounds_at_once_give_every_partition_to_one(log: StoredLog, new_server: Callable[..., Server]) -> None:
    servers = [new_server() for _ in range(3)]
    given: list[tuple[str, int, int]] = []

    async def live(server: Server) -> None:
        for turn in range(12):
            if turn % 4 == 0:
                for name in ("P", "Q"):
                    await server.join(name, partitions=7)
            for worker, orders in (await server.round()).items():
                given.extend((server.members[worker].projection, g.lease.partition, g.lease.token) for g in orders.grants)
            await server.release_revoked()
            if turn == 10:
                await server.leave(next(iter(server.members.values())))

    await asyncio.gather(*map(live, servers))
    await settle(*servers)
    for name in ("P", "Q"):
        tokens = [token for projection, _, token in given if projection == name]
        assert len(tokens) == len(set(tokens)), "a token was given twice"
        members = [member for server in servers for member in server.members.values() if member.projection == name]
        leases = [lease for member in members for lease in member.leases]
        assert sorted(lease.partition for lease in leases) == list(range(7))
        counts = [len(member.leases) for member in members]
        assert max(counts) - min(counts) <= 1
        for lease in leases:
            row = await servers[0].partition(lease.partition, name)
            assert row.token == lease.token


@asynccontextmanager
async def locked(log: StoredLog, name: str) -> AsyncIterator[Any]:
    """Somebody else has a projection's lock."""
    async with log.database.connection() as connection, connection.transaction():
        await connection.execute(f"select from {log.schema}.projections where name = $1 for update", name)
        yield connection


async def waiting_for_lock(log: StoredLog) -> None:
    waits = "select from pg_stat_activity where wait_event_type = 'Lock' and query like $1"
    async with asyncio.timeout(20):
        while True:
            if await log.fetch(waits, f"%{log.schema}.projections %"):
                return
            await asyncio.sleep(0.01)


async def test_a_round_that_had_to_wait_renews_from_when_it_went_on(log: StoredLog, server: Server) -> None:
    await server.join()
    await server.round()
    async with locked(log, "P") as connection:
        waiting = asyncio.create_task(server.round())
        await waiting_for_lock(log)
        released_at = await connection.fetchval("select clock_timestamp()")
    await waiting
    assert (await server.partition()).lease_until >= released_at + timedelta(seconds=60)


async def test_a_round_waits_for_a_lock_only_so_long(log: StoredLog, new_server: Callable[..., Server]) -> None:
    server = new_server(lease=1)
    await server.join()
    async with locked(log, "P"):
        with pytest.raises(DatabaseUnavailableError):
            await server.round()
        with pytest.raises(DatabaseUnavailableError):
            await server.control.pause("P")
    await server.round()


async def test_saving_waits_only_so_long(
    log: StoredLog, new_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mink_server.storage.projections.connection._SHORTEST", 0.5)
    patient = new_server()
    hasty = new_server(lease=0.5)
    await patient.join()
    lease = await patient.only_lease()
    async with log.database.connection() as connection, connection.transaction():
        await connection.execute(f"select from {log.schema}.projection_partitions for update")
        with pytest.raises(DatabaseUnavailableError):
            await hasty.workers.save([Progress(lease, 1)])
    assert await hasty.workers.save([Progress(lease, 2)]) == []
    assert (await patient.partition()).checkpoint == 2


async def test_a_round_that_was_cancelled_does_no_harm(log: StoredLog, server: Server) -> None:
    member = await server.join()
    async with locked(log, "P"):
        waiting = asyncio.create_task(server.round())
        await waiting_for_lock(log)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await server.round()
    assert len(member.leases) == 1


async def test_rounds_wait_for_no_reader(any_postgres: Postgres, log: StoredLog) -> None:
    """Leases live on while readers have all connections of the pool."""
    database = Database(any_postgres.dsn, pool_size=1, timeout=30)
    await database.open()
    server = Server(database, log.schema, 60)
    try:
        await server.join()
        async with database.connection(), asyncio.timeout(20):
            lease = await server.only_lease()
            assert await server.workers.save([Progress(lease, 0)]) == []
    finally:
        await server.projections.close()
        await database.close()


async def test_the_number_of_statements_does_not_grow_with_projections(server: Server) -> None:
    async def statements() -> int:
        connection = await server.projections._connection._own.get()
        seen: list[str] = []
        with connection.query_logger(lambda record: seen.append(record.query)):
            await server.round()
        return len(seen)

    for number in range(2):
        await server.join(f"P{number}", partitions=2)
    first, few = await statements(), await statements()
    for number in range(2, 30):
        await server.join(f"P{number}", partitions=2)
    assert await statements() <= first
    for member in server.members.values():
        for lease in member.leases:
            member.leases[lease] = Progress(lease, 0, events=1)
    assert await statements() == few
    assert sum(len(member.leases) for member in server.members.values()) == 60


async def test_parked_events_are_given_to_who_holds_their_partition(server: Server) -> None:
    member = await server.join(partitions=2)
    await server.round()
    [first, second] = sorted(member.leases, key=lambda lease: lease.partition)
    for position in range(1, 131):
        await server.workers.park(first if position <= 120 else second, replace(ERROR, position=position))
    assert (await server.round())[member.worker].replays == {}
    assert len(await server.control.replay("P", [])) == 130
    orders = (await server.round())[member.worker]
    assert orders.replays == {first: list(range(1, 101)), second: list(range(121, 131))}
    for position in range(1, 51):
        assert await server.workers.replayed(first, position, None)
    assert await server.workers.replayed(first, 51, ERROR)
    orders = (await server.round())[member.worker]
    assert orders.replays[first] == list(range(52, 121))
    member.leaving = True
    orders = (await server.round())[member.worker]
    assert orders.replays == {}, "whoever is to give it back begins with nothing"
    await server.leave(member)
    other = await server.join(partitions=2)
    assert (await server.round())[other.worker].replays == {}, "a lease that was only just given is not begun"
    assert sum(map(len, (await server.round())[other.worker].replays.values())) == 79


async def test_other_servers_hear_of_what_concerns_them(log: StoredLog, new_server: Callable[..., Server]) -> None:
    one, two = new_server(), new_server()
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = OwnConnection(log.database, "other")
    listener = Listener(connection, log.schema, two.id, log.tail, log.reader, heard.put_nowait)
    listener.start()
    marks = iter(range(1000))

    async def hears(*names: str) -> None:
        """Whatever was told before a mark is heard before it; what `two` says itself is not."""
        mark = f"mark {next(marks)}"
        async with log.database.connection() as speaker:
            await speaker.execute("select pg_notify($1, $2)", f"projections.{log.schema}", f"nobody {mark}")
        seen = []
        async with asyncio.timeout(20):
            while (name := await heard.get()) != mark:
                seen.append(name)
        assert sorted(set(seen)) == sorted(names)

    try:
        await connection.get()
        a = await one.join("A a")
        await hears("A a")
        b = await one.join("B")
        await hears("B")
        await one.round()
        await hears("A a", "B")
        await come_to(one, 0, events=1)
        await hears()
        [lease] = a.leases
        await one.release(a, lease)
        await hears("A a")
        await one.round()
        await hears("A a")
        [lease] = b.leases
        await one.workers.fault(lease, ERROR, None)
        await hears("B")
        b.leases.clear()
        for change in (
            one.control.pause("A a"),
            one.control.resume("A a"),
            one.control.restart("A a"),
            one.control.rebuild("A a", RebuildMode.IN_PLACE, 0),
            one.leave(a),
            one.control.delete("A a"),
        ):
            await change
            await hears("A a")
        await two.control.restart("B")
        await two.join("B")
        await hears()
    finally:
        await listener.close()
        await connection.close()


async def test_leases_outlast_a_moment_without_the_database(own_postgres: Postgres) -> None:
    database = Database(own_postgres.dsn, pool_size=2, timeout=2)
    await database.open()
    await Migrations(database, "mink").up()
    server = Server(database, "mink", 60)
    try:
        await server.join()
        lease = await server.only_lease()
        await asyncio.to_thread(own_postgres.halt)
        with pytest.raises(DatabaseUnavailableError):
            await server.round()
        with pytest.raises(DatabaseUnavailableError):
            await server.workers.release(lease, None)
        own_postgres._do(own_postgres.embedded.start())
        async with asyncio.timeout(30):
            while True:
                try:
                    told = await server.round()
                    break
                except DatabaseUnavailableError:
                    await asyncio.sleep(0.05)
        assert [(orders.lost, orders.grants) for orders in told.values()] == [([], [])]
        assert await server.workers.save([Progress(lease, 0)]) == []
    finally:
        await server.projections.close()
        await database.close()
