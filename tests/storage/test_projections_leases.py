"""What workers say under a lease, and how they come and go; on every Postgres."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mink_server.core import limits
from mink_server.core.errors import InvalidRequestError, OverloadedError, PositionAheadError
from mink_server.core.filters import EventFilter
from mink_server.core.projections.model import Lease, Progress, RebuildMode, State
from mink_server.core.projections.state import state_of

from tests.storage.conftest import StoredLog, event
from tests.storage.projecting import ERROR, Server, held, settle

if TYPE_CHECKING:
    from collections.abc import Callable


async def fields(server: Server, **said: object) -> list[str]:
    """The fields for which a worker is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        await server.join(**said)
    return [violation.field for violation in caught.value.violations]


async def test_the_first_worker_makes_the_projection(log: StoredLog, server: Server) -> None:
    await log.append("A", event(), event())
    member = await server.join(revision=3, partitions=2, start_after=1, worker="w", name="the worker (pid 1)")
    row = (await server.control.get("P")).row
    assert (row.name, row.paused, row.live.build, row.live.revision, row.live.where, row.next) == ("P", False, 1, 3, None, None)
    assert [(p.partition, p.checkpoint, p.events, p.error) for p in row.live.partitions] == [(0, 1, 0, None), (1, 1, 0, None)]
    [worker] = row.workers
    assert (worker.worker, worker.name, worker.revision, worker.leaving) == (member.worker, "the worker (pid 1)", 3, False)
    assert worker.seen_until > worker.connected_at
    await server.join(revision=3, partitions=2, start_after=0)
    row = (await server.control.get("P")).row
    assert [p.checkpoint for p in row.live.partitions] == [1, 1], "where to begin is said by the first"
    assert len(row.workers) == 2


async def test_workers_that_come_at_once_make_one_projection(new_server: Callable[..., Server]) -> None:
    servers = [new_server() for _ in range(4)]
    for name in (f"P{n}" for n in range(20)):
        await asyncio.gather(*(server.join(name, partitions=3) for server in servers for _ in range(2)))
    await settle(*servers)
    observed = await servers[0].control.list()
    assert len(observed) == 20
    for one in observed:
        assert (len(one.row.workers), len(one.row.live.partitions), len(held(one))) == (8, 3, 3)


async def test_a_projection_that_is_made_at_this_moment_is_not_read_without_its_lock(log: StoredLog, server: Server) -> None:
    """Otherwise its partitions are locked by one and its row by another, and each waits for the other."""

    class JustBefore:
        """A connection; somebody else makes the projection between its statements."""

        async def fetch(self, query: str, *args: object) -> list:
            rows = await connection.fetch(query, *args)
            if not server.members:
                assert rows == []
                await server.join()
            return rows

        async def fetchval(self, query: str, *args: object) -> object:
            return await connection.fetchval(query, *args)

    async with log.database.connection() as connection, connection.transaction():
        found, _ = await server.workers._tables.locked(JustBefore(), ["P"])
        assert found == {}
        found, _ = await server.workers._tables.locked(JustBefore(), ["P"])
        assert list(found) == ["P"]


async def test_a_start_beyond_the_head_is_refused(log: StoredLog, server: Server) -> None:
    await log.append("A", event())
    with pytest.raises(PositionAheadError) as caught:
        await server.join(start_after=2)
    head = await log.reader.head()
    assert (caught.value.position, caught.value.head, caught.value.log_id) == (2, 1, head.log_id)
    assert await server.control.list() == []
    await server.join(start_after=1)
    await server.join(start_after=99)  # it is there: where it began is long decided


async def test_the_same_revision_is_the_same_code(server: Server) -> None:
    where = EventFilter(streams=frozenset({"A", "B"}), stream_prefixes=("x", "y"), types=frozenset({"T"}))
    await server.join(where=where, partitions=2)
    assert await fields(server, where=where, partitions=3) == ["hello.partitions"]
    assert await fields(server, where=None, partitions=2) == ["hello.filter"]
    assert await fields(server, where=replace(where, types=frozenset()), partitions=1) == ["hello.filter", "hello.partitions"]
    assert await fields(server, where=replace(where, stream_prefixes=("x",)), partitions=2) == ["hello.filter"]
    await server.join(where=replace(where, stream_prefixes=("y", "x", "y")), partitions=2)
    await server.join("Q", where=EventFilter())
    await server.join("Q", where=None)
    assert len((await server.control.get("P")).row.workers) == 2, "who was refused is not there"


async def test_standing_by_the_same_revision_is_the_same_code_too(server: Server) -> None:
    await server.join(revision=5)
    await server.join(revision=2, partitions=4)
    assert await fields(server, revision=2, partitions=3) == ["hello.partitions"]
    await server.join(revision=3, partitions=3)
    await settle(server)
    assert len(held(await server.control.get("P"))) == 1


async def test_a_new_revision_that_can_build_nothing_is_refused(server: Server) -> None:
    await server.join(revision=2)
    assert await fields(server, revision=3, can_clear=False) == ["hello.can_clear"]
    assert await fields(server, revision=3, can_switch=False, on_new_revision=RebuildMode.SIDE_BY_SIDE) == ["hello.can_switch"]
    await server.join(revision=1, can_clear=False, can_switch=False)
    await server.join(revision=2, can_clear=False, can_switch=False)


async def test_there_are_not_too_many_projections(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PROJECTIONS", 2)
    await server.join("A")
    await server.join("B")
    with pytest.raises(OverloadedError, match=r"^there are 2 projections, as many as there may be: delete one$"):
        await server.join("C")
    await server.join("B")
    assert [observed.row.name for observed in await server.control.list()] == ["A", "B"]


async def test_there_are_not_too_many_workers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_WORKERS", 2)
    member = await server.join()
    await server.join()
    with pytest.raises(OverloadedError, match="workers of projection 'P'"):
        await server.join()
    await server.join("Q")
    await server.leave(member)
    await server.join()


async def test_who_leaves_has_no_lease_any_more(server: Server) -> None:
    member = await server.join(partitions=2)
    await server.round()
    old = list(member.leases)
    await server.leave(member)
    row = (await server.control.get("P")).row
    assert row.workers == []
    assert [(p.worker, p.leased_at, p.lease_until) for p in row.live.partitions] == [("", None, None)] * 2
    assert await server.workers.save([Progress(lease, 7) for lease in old]) == old
    await server.workers.leave("P", member.worker)
    await server.workers.leave("nothing", member.worker)


async def test_tokens_of_a_projection_that_is_made_again_are_greater(server: Server) -> None:
    """Read models outlive projections, and keep tokens."""
    member = await server.join(partitions=20)
    await server.round()
    newest = max(lease.token for lease in member.leases)
    await server.leave(member)
    await server.control.delete("P")
    again = await server.join(partitions=20)
    await server.round()
    assert min(lease.token for lease in again.leases) > newest


async def test_a_start_is_the_checkpoint_and_forgets_what_was_parked_after_it(log: StoredLog, server: Server) -> None:
    await log.append("A", *[event() for _ in range(9)])
    await server.join(partitions=2)
    await server.round()
    [member] = server.members.values()
    [first, second] = sorted(member.leases, key=lambda lease: lease.partition)
    assert await server.workers.start(first, 9)
    for position in (3, 5, 8):
        assert await server.workers.park(first, replace(ERROR, position=position))
    assert await server.workers.park(second, replace(ERROR, position=9))
    before = await server.partition()
    assert (before.checkpoint, before.caught_up) == (9, False)
    assert await server.workers.start(first, 9)
    assert await server.partition() == before
    assert await server.workers.start(first, 5)
    after = await server.partition()
    assert after.checkpoint == 5
    assert after.updated_at > before.updated_at
    assert [event.position for event in await server.control.parked("P", 0, 10)] == [3, 5, 9]


async def test_progress_between_rounds(server: Server) -> None:
    await server.join(partitions=3)
    await server.round()
    [member] = server.members.values()
    one, two, three = sorted(member.leases, key=lambda lease: lease.partition)
    before = await server.partition(0)
    old = replace(two, token=two.token - 1000)
    other = Lease("nothing", 1, 0, one.token)
    given = [Progress(one, 4, 3, 1, 2.5, True), Progress(old, 5), Progress(other, 5), Progress(three, 6, 6)]
    assert await server.workers.save(given) == [old, other]
    rows = (await server.control.get("P")).row.live.partitions
    assert [(p.checkpoint, p.events, p.errors, p.rate, p.caught_up) for p in rows] == [
        (4, 3, 1, 2.5, True),
        (0, 0, 0, 0.0, False),
        (6, 6, 0, 0.0, False),
    ]
    assert rows[0].lease_until == before.lease_until
    assert rows[0].updated_at > before.updated_at
    assert await server.workers.save([Progress(one, 4, 1)]) == []
    again = await server.partition(0)
    assert (again.events, again.updated_at) == (4, rows[0].updated_at)


async def test_saves_and_rounds_at_once_do_not_stop_each_other(new_server: Callable[..., Server]) -> None:
    one, two = new_server(), new_server()
    for server in (one, two):
        await server.join(partitions=16)
    await settle(one, two)

    async def save(server: Server) -> None:
        [member] = server.members.values()
        for turn in range(40):
            leases = list(member.leases) if turn % 2 else list(reversed(member.leases))
            assert await server.workers.save([Progress(lease, turn, 1) for lease in leases]) == []

    async def go_round(server: Server) -> None:
        for _ in range(40):
            assert all(not orders.lost for orders in (await server.round()).values())

    await asyncio.gather(save(one), save(two), go_round(one), go_round(two))
    partitions = (await one.control.get("P")).row.live.partitions
    assert [(p.checkpoint, p.events) for p in partitions] == [(39, 40)] * 16


async def test_a_lease_that_is_given_back_is_over(server: Server) -> None:
    member = await server.join()
    lease = await server.only_lease()
    await server.workers.save([Progress(lease, 1, 1, 0, 9.0, True)])
    assert await server.release(member, lease, Progress(lease, 3, 2, 1))
    row = await server.partition()
    assert (row.checkpoint, row.events, row.errors, row.rate, row.caught_up) == (3, 3, 1, 0.0, False)
    assert (row.worker, row.lease_until, row.token) == ("", None, lease.token)
    assert not await server.workers.release(lease, Progress(lease, 9))
    again = await server.only_lease()
    assert await server.release(member, again)
    assert (await server.partition()).checkpoint == 3


async def test_a_faulted_partition_waits_for_an_operator(server: Server) -> None:
    member = await server.join(partitions=2)
    await server.round()
    [lease] = [lease for lease in member.leases if lease.partition == 1]
    assert await server.workers.fault(lease, ERROR, None)
    assert not await server.workers.fault(lease, ERROR, 0)
    member.leases.pop(lease)
    assert (await server.round())[member.worker].grants == []
    observed = await server.control.get("P")
    faulted = observed.row.live.partitions[1]
    assert (faulted.faulted, faulted.restart_at, faulted.worker) == (True, None, "")
    assert faulted.error is not None
    assert (faulted.error.error, faulted.error.partition) == (ERROR, 1)
    assert state_of(observed.row, observed.now) is State.FAULTED
    await server.control.restart("P")
    row = (await server.control.get("P")).row
    assert [(p.faulted, p.error) for p in row.live.partitions] == [(False, None)] * 2
    await settle(server)
    assert sorted(lease.partition for lease in member.leases) == [0, 1]


async def test_a_faulted_partition_restarts_by_itself(server: Server) -> None:
    member = await server.join()
    lease = await server.only_lease()
    assert await server.workers.fault(lease, ERROR, 3600)
    member.leases.clear()
    assert (await server.round())[member.worker].grants == []
    assert (await server.partition()).restart_at is not None
    await server.control.restart("P")
    lease = await server.only_lease()
    assert await server.workers.fault(lease, ERROR, 0.05)
    member.leases.clear()
    async with asyncio.timeout(20):
        while not member.leases:
            await server.round()
    row = await server.partition()
    assert (row.faulted, row.restart_at) == (False, None)
    assert row.error is not None, "what went wrong is still known"


@pytest.mark.parametrize("restart_after", [1e300, float("inf"), -5.0])
async def test_no_pause_is_too_long_for_the_database(server: Server, restart_after: float) -> None:
    await server.join()
    assert await server.workers.fault(await server.only_lease(), ERROR, restart_after)


async def test_a_parked_event(server: Server) -> None:
    await server.join()
    lease = await server.only_lease()
    assert await server.workers.park(lease, ERROR)
    [event] = await server.control.parked("P", 0, 10)
    assert (event.position, event.type, event.stream, event.message) == (3, "Happened", "A", "no such column")
    assert (event.attempts, event.partition, event.replaying, event.version, event.event_id) == (4, 0, False, 0, "")
    await server.control.replay("P", [3])
    assert await server.workers.replayed(lease, 3, replace(ERROR, message="again", attempts=2))
    [event] = await server.control.parked("P", 0, 10)
    assert (event.message, event.attempts, event.replaying) == ("again", 6, False)
    assert await server.workers.park(lease, replace(ERROR, attempts=1))
    [event] = await server.control.parked("P", 0, 10)
    assert (event.message, event.attempts) == (ERROR.message, 1)
    assert await server.workers.replayed(lease, 3, None)
    assert await server.control.parked("P", 0, 10) == []
    assert await server.workers.replayed(lease, 3, None), "an operator may have dropped it"


async def test_what_was_handled_again_is_known_apart_from_what_was_dropped(server: Server) -> None:
    await server.join()
    lease = await server.only_lease()
    for position in (3, 4, 5):
        assert await server.workers.park(lease, replace(ERROR, position=position))
    assert await server.control.replay("P", []) == [3, 4, 5]
    assert await server.workers.replayed(lease, 3, None)
    assert await server.workers.replayed(lease, 4, None)
    assert await server.control.drop("P", [5]) == 1
    assert await server.workers.replayed(lease, 5, None), "it was on its way"
    assert await server.control.handled("P", [3, 4, 5]) == 2
    assert await server.control.handled("Q", [3]) == 0
    # Parked again, as after the read model was lost: what was before does not count.
    assert await server.workers.park(lease, replace(ERROR, position=3))
    assert await server.control.replay("P", [3]) == [3]
    assert await server.control.drop("P", [3]) == 1
    assert await server.control.handled("P", [3, 4]) == 1


async def test_attempts_end_somewhere(server: Server) -> None:
    await server.join()
    lease = await server.only_lease()
    assert await server.workers.park(lease, replace(ERROR, attempts=2**31 - 1))
    assert await server.workers.replayed(lease, ERROR.position, replace(ERROR, attempts=2**31 - 1))
    [event] = await server.control.parked("P", 0, 10)
    assert event.attempts == 2**31 - 1


async def test_there_are_not_too_many_parked_events(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PARKED", 2)
    await server.join()
    lease = await server.only_lease()
    for position in (3, 4):
        assert await server.workers.park(lease, replace(ERROR, position=position))
    with pytest.raises(OverloadedError, match="parked events"):
        await server.workers.park(lease, replace(ERROR, position=5))
    assert await server.workers.park(lease, replace(ERROR, position=4)), "it is there already"
    assert not await server.workers.park(replace(lease, token=1), replace(ERROR, position=5))
    await server.control.drop("P", [3])
    assert await server.workers.park(lease, replace(ERROR, position=5))
