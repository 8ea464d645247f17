"""What operators see of projections, and do with them; on every Postgres."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mink_server.core.errors import DatabaseUnavailableError, ProjectionInUseError, ProjectionNotFoundError
from mink_server.core.expectations import ANY
from mink_server.core.projections.model import Lease, Member, Progress, RebuildMode, State
from mink_server.core.projections.state import lag_of, state_of
from mink_server.storage.database import Database
from mink_server.storage.migrations import Migrations

from tests.storage.conftest import StoredLog, event
from tests.storage.projecting import ERROR, Server, come_to, held, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.databases import Postgres


async def test_projections_that_are_not_there(server: Server) -> None:
    control = server.control
    assert await control.list() == []
    await server.join("there")
    for work in (
        control.get("P"),
        control.pause("P"),
        control.resume("P"),
        control.rebuild("P", RebuildMode.IN_PLACE, 0),
        control.restart("P"),
        control.delete("P"),
        control.parked("P", 0, 10),
        control.replay("P", []),
        control.replaying("P", [1]),
        control.drop("P", []),
    ):
        with pytest.raises(ProjectionNotFoundError) as caught:
            await work
        assert caught.value.name == "P"


async def test_all_projections_by_name(server: Server) -> None:
    names = ["b", "B", "ü 😀", "a-1", "a", "'; drop table x; --", "%_"]
    for name in names:
        await server.join(name, partitions=2)
    await settle(server)
    observed = await server.control.list()
    assert [one.row.name for one in observed] == sorted(names)
    assert all(len(one.row.workers) == 1 and len(held(one)) == 2 for one in observed)


async def test_how_far_behind_it_is(log: StoredLog, server: Server) -> None:
    await server.join(partitions=2)
    observed = await server.control.get("P")
    assert (observed.head, observed.oldest_unhandled_at, lag_of(observed).total_seconds()) == (0, None, 0)
    await log.append("A", event(), event(), event())
    await server.round()
    [member] = server.members.values()
    [first, second] = member.leases
    await server.workers.save([Progress(first, 3), Progress(second, 1)])
    [row] = await log.fetch("select recorded_at from {schema}.events where position = 2")
    observed = await server.control.get("P")
    assert (observed.head, observed.oldest_unhandled_at) == (3, row["recorded_at"])
    assert lag_of(observed) == observed.now - row["recorded_at"]
    await server.workers.save([Progress(second, 3)])
    observed = await server.control.get("P")
    assert (observed.head, observed.oldest_unhandled_at) == (3, None)
    await log.streams.delete("A", ANY, tombstone=False)
    assert (await server.control.get("P")).head == 3
    [listed] = await server.control.list()
    assert (listed.head, listed.oldest_unhandled_at) == (3, None)


async def test_looking_costs_the_same_for_many_projections(log: StoredLog, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    async def fetch(query: str, *args: object) -> list:
        if "projection" in query:
            fetched.append(query)
        return await real(query, *args)

    real = log.database.fetch
    monkeypatch.setattr(log.database, "fetch", fetch)
    await server.join("P0")
    await server.control.list()
    few = len(fetched)
    for number in range(1, 20):
        await server.join(f"P{number}", partitions=3)
    fetched.clear()
    assert len(await server.control.list()) == 20
    assert len(fetched) == few


async def test_states(log: StoredLog, server: Server) -> None:
    async def state() -> State:
        observed = await server.control.get("P")
        return state_of(observed.row, observed.now)

    await log.append("A", event())
    member = await server.join()
    assert await state() is State.STOPPED
    await server.round()
    assert await state() is State.CATCHING_UP
    await come_to(server, 1, caught_up=True)
    assert await state() is State.RUNNING
    await server.control.restart("P")
    assert await state() is State.RESTARTING
    await settle(server)
    assert await state() is State.CATCHING_UP
    await server.control.pause("P")
    assert await state() is State.PAUSED
    await server.control.resume("P")
    await settle(server)
    await server.leave(member)
    assert await state() is State.STOPPED


async def test_a_pause_takes_all_leases_and_says_who_had_them(new_server: Callable[..., Server]) -> None:
    one, two = new_server(), new_server()
    first, second = await one.join(partitions=4), await two.join(partitions=4)
    await settle(one, two)
    before = await two.control.pause("P")
    assert (before.row.paused, len(held(before))) == (False, 4)
    assert (await two.control.get("P")).row.paused
    assert len((await one.round())[first.worker].revokes) == 2
    await one.release_revoked()
    assert len(held(await two.control.get("P"))) == 2
    await settle(one, two)
    assert held(await two.control.get("P")) == {}
    await one.join(partitions=4)
    await settle(one, two)
    assert held(await two.control.get("P")) == {}
    again = await one.control.pause("P")
    assert (again.row.paused, held(again)) == (True, {})
    after = await one.control.resume("P")
    assert not after.row.paused
    await settle(one, two)
    assert len(held(await two.control.get("P"))) == 4
    assert second.leases
    assert not (await one.control.resume("P")).row.paused


async def test_a_restart_gives_every_lease_anew(server: Server) -> None:
    member = await server.join(partitions=2)
    await server.round()
    old = set(member.leases)
    await come_to(server, 0, events=1)
    await server.control.restart("P")
    orders = (await server.round())[member.worker]
    assert set(orders.revokes) == old
    assert await server.workers.save([Progress(lease, 0) for lease in old]) == [], "what is in hand is finished"
    await settle(server)
    assert min(lease.token for lease in member.leases) > max(lease.token for lease in old)
    assert len(member.leases) == 2
    assert (await server.round())[member.worker].revokes == []


async def test_a_projection_is_deleted_when_nobody_runs_it(log: StoredLog, server: Server) -> None:
    await log.append("A", event(), event())
    member = await server.join(name="billing-7f9c")
    await settle(server)
    lease = next(iter(member.leases))
    await server.workers.park(lease, replace(ERROR, position=1))
    await come_to(server, 2)
    with pytest.raises(ProjectionInUseError, match="billing-7f9c"):
        await server.control.delete("P")
    await server.leave(member)
    assert await server.control.delete("P") == (2, 1)
    assert await server.control.list() == []
    for table in ("builds", "partitions", "workers", "parked"):
        assert await log.fetch(f"select from {{schema}}.projection_{table}") == []
    # Read models have what build 1 left; it is not to be taken for what the new projection has done.
    for build in (2, 3):
        again = await server.join()
        assert (await server.control.get("P")).row.live.build == build
        await server.leave(again)
        await server.control.delete("P")


async def test_who_was_not_seen_for_long_does_not_keep_it_from_being_deleted(new_server: Callable[..., Server]) -> None:
    dead = new_server(lease=0.1)
    await dead.join()
    async with asyncio.timeout(20):
        while True:
            try:
                await dead.control.delete("P")
                break
            except ProjectionInUseError:
                await asyncio.sleep(0.02)


async def parked(log: StoredLog, server: Server, count: int) -> None:
    await log.append("A", *[event("Poison") for _ in range(count)])
    await server.join()
    lease = await server.only_lease()
    for position in range(1, count + 1):
        await server.workers.park(lease, replace(ERROR, position=position, type="Poison"))


async def test_parked_events_are_listed_in_pages(log: StoredLog, server: Server) -> None:
    await parked(log, server, 7)
    pages = [[e.position for e in await server.control.parked("P", after, 3)] for after in (0, 3, 6, 7)]
    assert pages == [[1, 2, 3], [4, 5, 6], [7], []]
    ids = {row["position"]: str(row["event_id"]) for row in await log.fetch("select position, event_id from {schema}.events")}
    for e in await server.control.parked("P", 0, 100):
        assert (e.version, e.event_id, e.stream, e.type) == (e.position, ids[e.position], "A", "Poison")
    assert (await server.control.get("P")).row.parked == 7


async def test_a_parked_event_that_left_the_log_is_still_listed(log: StoredLog, server: Server) -> None:
    await parked(log, server, 3)
    await log.streams.truncate("A", 3)
    assert [(e.position, e.version) for e in await server.control.parked("P", 0, 10)] == [(1, 0), (2, 0), (3, 3)]
    assert (await server.control.parked("P", 0, 10))[0].event_id == ""


async def test_parked_events_are_replayed(log: StoredLog, server: Server) -> None:
    await parked(log, server, 5)
    [member] = server.members.values()
    [lease] = member.leases
    assert await server.control.replay("P", [2, 4, 99]) == [2, 4]
    assert await server.control.replaying("P", [1, 2, 4, 99]) == {1: False, 2: True, 4: True}
    assert (await server.round())[member.worker].replays == {lease: [2, 4]}
    await server.workers.replayed(lease, 2, None)
    await server.workers.replayed(lease, 4, ERROR)
    assert await server.control.replaying("P", [2, 4]) == {4: False}
    assert await server.control.replaying("P", [2]) == {}
    assert await server.control.replay("P", []) == [1, 3, 4, 5]


async def test_parked_events_are_dropped(log: StoredLog, server: Server) -> None:
    await parked(log, server, 5)
    assert await server.control.drop("P", [2, 3, 99]) == 2
    assert [e.position for e in await server.control.parked("P", 0, 10)] == [1, 4, 5]
    assert await server.control.drop("P", []) == 3
    assert await server.control.drop("P", []) == 0
    assert await server.control.parked("P", 0, 10) == []


async def test_projections_of_two_logs_have_nothing_in_common(any_postgres: Postgres, log: StoredLog, server: Server) -> None:
    other_schema = any_postgres.new_schema()
    await Migrations(log.database, other_schema).up()
    other = Server(log.database, other_schema, 60)
    try:
        await server.join()
        assert await other.control.list() == []
        await other.join(partitions=2)
        await settle(server, other)
        assert len(held(await server.control.get("P"))) == 1
        assert len(held(await other.control.get("P"))) == 2
    finally:
        await other.projections.close()
        any_postgres.drop(other_schema)


async def test_without_the_database_everything_says_so() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nothing", timeout=0.3)
    await database.open()
    server = Server(database, "mink", 5)
    try:
        for work in (server.control.list(), server.control.pause("P"), server.join(), server.workers.leave("P", "w")):
            with pytest.raises(DatabaseUnavailableError):
                await work
        server.members["w"] = Member("P", "w")
        for work in (server.round(), server.workers.save([Progress(Lease("P", 1, 0, 1), 1)])):
            with pytest.raises(DatabaseUnavailableError):
                await work
    finally:
        await server.projections.close()
        await database.close()
