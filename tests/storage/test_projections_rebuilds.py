"""Rebuilds, in place and side by side, and what a new revision does; on every Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mink_server.core.errors import ProjectionInUseError
from mink_server.core.filters import EventFilter
from mink_server.core.projections.model import Lease, Member, Phase, Progress, RebuildMode, State, Task
from mink_server.core.projections.state import state_of, waiting_for

from tests.storage.conftest import StoredLog, event
from tests.storage.projecting import ERROR, Server, come_to, held, settle

if TYPE_CHECKING:
    from collections.abc import Callable

IN_PLACE, SIDE_BY_SIDE = RebuildMode.IN_PLACE, RebuildMode.SIDE_BY_SIDE
ORDERS = EventFilter(categories=frozenset({"Order"}))


async def state(server: Server) -> State:
    observed = await server.control.get("P")
    return state_of(observed.row, observed.now)


async def given(server: Server, task: Task) -> tuple[Member, Lease]:
    """Rounds until a lease for a task is given."""
    for _ in range(10):
        for worker, orders in (await server.round()).items():
            for grant in orders.grants:
                if grant.task is task:
                    return server.members[worker], grant.lease
        await server.release_revoked()
    raise AssertionError(f"nobody was told to {task}")


async def done(server: Server, member: Member, lease: Lease) -> bool:
    member.leases.pop(lease)
    return await server.workers.done(lease)


async def filled(log: StoredLog, server: Server, **said: object) -> Member:
    """A projection that has handled the log's 5 events."""
    await log.append("A", *[event() for _ in range(5)])
    member = await server.join(**said)
    await settle(server)
    await come_to(server, 5, events=5, errors=1, rate=3.0, caught_up=True)
    for lease in member.leases:
        await server.workers.park(lease, ERROR)
    assert await state(server) is State.RUNNING
    return member


async def test_in_place_the_read_model_is_cleared_and_filled_again(log: StoredLog, server: Server) -> None:
    member = await filled(log, server, partitions=3)
    old = list(member.leases)
    observed = await server.control.rebuild("P", IN_PLACE, 0)
    assert (observed.row.live.build, observed.row.live.phase) == (1, Phase.CLEARING)
    assert observed.row.live.rebuild_began_at is not None
    assert await state(server) is State.REBUILDING
    orders = (await server.round())[member.worker]
    assert sorted(orders.revokes, key=lambda lease: lease.partition) == old
    await server.release(member, old[0])
    await server.release(member, old[1])
    assert (await server.round())[member.worker].grants == [], "somebody is still at it"
    await server.release(member, old[2])
    [grant] = (await server.round())[member.worker].grants
    assert (grant.task, grant.lease.partition, grant.partitions) == (Task.CLEAR, 0, 3)
    assert (await server.round())[member.worker].grants == []
    await log.append("A", event())
    assert await done(server, member, grant.lease)
    row = (await server.control.get("P")).row
    assert (row.live.phase, row.live.target, row.parked) == (Phase.FOLLOWING, 6, 0)
    assert [(p.checkpoint, p.events, p.errors, p.rate, p.caught_up, p.error) for p in row.live.partitions] == [
        (0, 0, 0, 0.0, False, None)
    ] * 3
    assert await state(server) is State.REBUILDING
    await settle(server)
    await come_to(server, 5)
    assert (await server.control.get("P")).row.live.target == 6
    await come_to(server, 6, caught_up=True)
    live = (await server.control.get("P")).row.live
    assert (live.target, live.rebuild_began_at, live.build) == (None, None, 1)
    assert await state(server) is State.RUNNING


async def test_a_rebuild_begins_where_the_projection_began(log: StoredLog, server: Server) -> None:
    await log.append("A", event(), event(), event())
    await server.join(start_after=2)
    await settle(server)
    await come_to(server, 3)
    await server.control.rebuild("P", IN_PLACE, 0)
    member, lease = await given(server, Task.CLEAR)
    await done(server, member, lease)
    assert (await server.partition()).checkpoint == 2
    await server.control.rebuild("P", SIDE_BY_SIDE, 0)
    following = (await server.control.get("P")).row.next
    assert following is not None
    assert (following.start_after, [p.checkpoint for p in following.partitions]) == (2, [2])


async def test_the_clearing_can_fail_and_is_tried_again(log: StoredLog, server: Server) -> None:
    await filled(log, server)
    await server.control.rebuild("P", IN_PLACE, 0)
    member, lease = await given(server, Task.CLEAR)
    member.leases.pop(lease)
    assert await server.workers.fault(lease, ERROR, None)
    assert await state(server) is State.FAULTED
    await settle(server)
    assert held(await server.control.get("P")) == {}
    await server.control.restart("P")
    member, again = await given(server, Task.CLEAR)
    assert not await server.workers.done(lease)
    assert (await server.partition()).checkpoint == 5
    assert await done(server, member, again)
    assert (await server.partition()).checkpoint == 0


async def test_a_faulted_projection_can_be_rebuilt(log: StoredLog, server: Server) -> None:
    member = await filled(log, server)
    [lease] = member.leases
    member.leases.clear()
    await server.workers.fault(lease, ERROR, None)
    await server.control.rebuild("P", IN_PLACE, 0)
    member, lease = await given(server, Task.CLEAR)
    assert await done(server, member, lease)
    assert await state(server) is State.REBUILDING


async def test_what_a_worker_has_cleared_does_not_count_when_other_code_was_asked_for(log: StoredLog, server: Server) -> None:
    await filled(log, server)
    await server.control.rebuild("P", IN_PLACE, 0)
    member, lease = await given(server, Task.CLEAR)
    await server.join(revision=2, partitions=2, where=ORDERS)
    assert (await server.round())[member.worker].revokes == [lease]
    assert not await done(server, member, lease)
    new, clear = await given(server, Task.CLEAR)
    assert new is not member
    assert len((await server.control.get("P")).row.live.partitions) == 1
    assert await done(server, new, clear)
    live = (await server.control.get("P")).row.live
    assert (live.build, live.revision, live.where, len(live.partitions)) == (1, 2, ORDERS, 2)
    await settle(server)
    assert (len(member.leases), len(new.leases)) == (0, 2)


async def test_in_place_needs_somebody_who_can_clear(log: StoredLog, server: Server) -> None:
    member = await filled(log, server, can_clear=False)
    with pytest.raises(ProjectionInUseError, match="no worker of revision 1 that is connected can clear"):
        await server.control.rebuild("P", IN_PLACE, 0)
    with pytest.raises(ProjectionInUseError, match="no worker of revision 7 is connected, only of 1"):
        await server.control.rebuild("P", IN_PLACE, 7)
    assert (await server.control.get("P")).row.live.phase is Phase.FOLLOWING
    await server.leave(member)
    with pytest.raises(ProjectionInUseError, match="no worker of revision 7 is connected; start one"):
        await server.control.rebuild("P", IN_PLACE, 7)
    assert (await server.control.rebuild("P", IN_PLACE, 0)).row.live.phase is Phase.CLEARING
    await server.join(can_clear=False)
    await settle(server)
    observed = await server.control.get("P")
    assert "clear" in waiting_for(observed.row, observed.now)
    await server.join()
    member, lease = await given(server, Task.CLEAR)
    assert await done(server, member, lease)


async def to_the_switch(log: StoredLog, server: Server) -> tuple[Member, Lease]:
    await filled(log, server)
    await server.control.rebuild("P", SIDE_BY_SIDE, 0)
    await settle(server)
    await come_to(server, 5, caught_up=True)
    return await given(server, Task.SWITCH)


async def test_side_by_side_the_old_build_goes_on_until_the_switch(log: StoredLog, server: Server) -> None:
    member = await filled(log, server)
    observed = await server.control.rebuild("P", SIDE_BY_SIDE, 0)
    assert observed.row.next is not None
    assert (observed.row.next.build, observed.row.next.target, observed.row.next.phase) == (2, 5, Phase.FOLLOWING)
    [grant] = (await server.round())[member.worker].grants
    assert (grant.lease.build, grant.checkpoint, grant.live, grant.live_build) == (2, 0, False, 1)
    assert await state(server) is State.REBUILDING
    builds = {lease.build: lease for lease in member.leases}
    assert sorted(builds) == [1, 2]
    await server.workers.park(builds[2], ERROR)
    assert (await server.control.get("P")).row.parked == 1
    await log.append("A", event())
    await come_to(server, 5, caught_up=True)
    assert (await server.round())[member.worker].revokes == [builds[1]]
    assert (await server.control.get("P")).row.next.phase is Phase.OVERTAKING
    await server.release_revoked()
    assert (await server.round())[member.worker].revokes == [builds[2]]
    assert (await server.control.get("P")).row.next.phase is Phase.SWITCHING
    await server.release_revoked()
    [grant] = (await server.round())[member.worker].grants
    assert (grant.task, grant.lease.build, grant.live, grant.live_build) == (Task.SWITCH, 2, False, 1)
    with pytest.raises(ProjectionInUseError, match="switching"):
        await server.control.rebuild("P", IN_PLACE, 0)
    assert await done(server, member, grant.lease)
    row = (await server.control.get("P")).row
    assert (row.live.build, row.next, row.live.target, row.live.phase, row.parked) == (2, None, None, Phase.FOLLOWING, 1)
    assert row.live.partitions[0].checkpoint == 5
    assert await log.fetch("select from {schema}.projection_builds where build = 1") == []
    assert await log.fetch("select from {schema}.projection_partitions where build = 1") == []
    [grant] = (await server.round())[member.worker].grants
    assert (grant.lease.build, grant.live, grant.task) == (2, True, Task.HANDLE)


async def test_the_next_build_comes_as_far_as_the_old_one_before_the_switch(log: StoredLog, server: Server) -> None:
    member = await filled(log, server)
    await server.control.rebuild("P", SIDE_BY_SIDE, 0)
    await settle(server)
    await log.append("A", event(), event())
    await come_to(server, 5, caught_up=True)
    [live] = [lease for lease in member.leases if lease.build == 1]
    [following] = [lease for lease in member.leases if lease.build == 2]
    assert await server.release(member, live, come(live, 7))
    await server.round()
    assert (await server.control.get("P")).row.next.phase is Phase.OVERTAKING
    member.leases[following] = come(following, 6)
    await server.round()
    assert (await server.control.get("P")).row.next.phase is Phase.OVERTAKING
    member.leases[following] = come(following, 7)
    await server.round()
    assert (await server.control.get("P")).row.next.phase is Phase.SWITCHING


def come(lease: Lease, checkpoint: int) -> Progress:
    return Progress(lease, checkpoint, caught_up=True)


async def test_a_switch_that_fails_leaves_the_old_build_at_work(log: StoredLog, server: Server) -> None:
    member, lease = await to_the_switch(log, server)
    member.leases.pop(lease)
    await server.workers.fault(lease, ERROR, None)
    await settle(server)
    row = (await server.control.get("P")).row
    assert (row.live.build, row.next.phase, row.next.partitions[0].faulted) == (1, Phase.FOLLOWING, True)
    assert held(await server.control.get("P")) == {0: member.worker}
    assert not await server.workers.done(lease)
    await server.control.restart("P")
    await settle(server)
    await come_to(server, 5, caught_up=True)
    member, lease = await given(server, Task.SWITCH)
    assert await done(server, member, lease)
    assert (await server.control.get("P")).row.live.build == 2


async def test_a_switch_that_is_done_counts_whatever_was_said_since(log: StoredLog, server: Server) -> None:
    member, lease = await to_the_switch(log, server)
    await server.control.restart("P")
    assert (await server.round())[member.worker].revokes == [lease]
    assert await done(server, member, lease)
    assert (await server.control.get("P")).row.live.build == 2


async def test_side_by_side_needs_somebody_who_can_switch(log: StoredLog, server: Server) -> None:
    member = await filled(log, server, can_switch=False)
    with pytest.raises(ProjectionInUseError, match="no worker of revision 1 that is connected can keep a build beside it"):
        await server.control.rebuild("P", SIDE_BY_SIDE, 0)
    await server.leave(member)
    with pytest.raises(ProjectionInUseError, match="is connected; start one"):
        await server.control.rebuild("P", SIDE_BY_SIDE, 0)
    assert (await server.control.get("P")).row.next is None


async def test_a_build_that_is_made_beside_is_begun_again(log: StoredLog, server: Server) -> None:
    member = await filled(log, server)
    for build in (2, 3):
        await server.control.rebuild("P", SIDE_BY_SIDE, 0)
        await settle(server)
        assert sorted(lease.build for lease in member.leases) == [1, build]
    [old] = await log.fetch("select max(build) as build, count(*) as builds from {schema}.projection_builds")
    assert (old["build"], old["builds"]) == (3, 2)


async def test_a_rebuild_in_place_gives_up_the_build_beside(log: StoredLog, server: Server) -> None:
    await filled(log, server)
    await server.control.rebuild("P", SIDE_BY_SIDE, 0)
    row = (await server.control.rebuild("P", IN_PLACE, 0)).row
    assert (row.next, row.live.build, row.live.phase) == (None, 1, Phase.CLEARING)


async def test_a_new_revision_is_built_beside_by_workers_that_have_it(log: StoredLog, server: Server) -> None:
    old = await filled(log, server)
    new = await server.join(revision=2, partitions=2, where=ORDERS, on_new_revision=SIDE_BY_SIDE, can_clear=False)
    row = (await server.control.get("P")).row
    assert (row.next.build, row.next.revision, row.next.where, len(row.next.partitions)) == (2, 2, ORDERS, 2)
    await settle(server)
    assert ({lease.build for lease in old.leases}, {lease.build for lease in new.leases}) == ({1}, {2})
    await server.join(revision=2, partitions=2, where=ORDERS, on_new_revision=SIDE_BY_SIDE)
    assert (await server.control.get("P")).row.next.build == 2, "it is under way already"
    await settle(server)
    await come_to(server, 5, caught_up=True)
    member, lease = await given(server, Task.SWITCH)
    assert member is not old
    assert await done(server, member, lease)
    await settle(server)
    row = (await server.control.get("P")).row
    assert (row.live.build, row.live.revision, row.next) == (2, 2, None)
    assert old.leases == {}
    await server.join(revision=1)
    assert (await server.control.get("P")).row.next is None, "an older one stands by"


async def test_a_new_revision_in_place_takes_the_build_over(log: StoredLog, server: Server) -> None:
    old = await filled(log, server, partitions=3)
    new = await server.join(revision=2, partitions=2, where=ORDERS, on_new_revision=IN_PLACE)
    row = (await server.control.get("P")).row
    assert (row.live.build, row.live.revision, row.live.phase, row.live.where) == (1, 2, Phase.CLEARING, ORDERS)
    assert len(held(await server.control.get("P"))) == 3, "what is in hand is finished first"
    member, lease = await given(server, Task.CLEAR)
    assert member is new
    assert (await server.round())[new.worker].grants == []
    assert await done(server, member, lease)
    await settle(server)
    assert (len(old.leases), len(new.leases)) == (0, 2)
    assert len((await server.control.get("P")).row.live.partitions) == 2


async def test_a_still_newer_revision_replaces_the_build_beside(log: StoredLog, server: Server) -> None:
    await filled(log, server)
    second = await server.join(revision=2, on_new_revision=SIDE_BY_SIDE)
    await settle(server)
    [lost] = second.leases
    third = await server.join(revision=3, on_new_revision=SIDE_BY_SIDE)
    assert (await server.round())[second.worker].lost == [lost]
    await settle(server)
    row = (await server.control.get("P")).row
    assert (row.live.revision, row.next.revision, row.next.build) == (1, 3, 3)
    assert ([lease.build for lease in third.leases], second.leases) == ([3], {})
    await server.join(revision=4)
    row = (await server.control.get("P")).row
    assert (row.live.revision, row.live.phase, row.next) == (4, Phase.CLEARING, None)


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_newer_revision_that_comes_during_a_switch_waits_for_its_end(
    log: StoredLog, server: Server, *, succeeds: bool
) -> None:
    member, lease = await to_the_switch(log, server)
    await server.join(revision=2, on_new_revision=SIDE_BY_SIDE)
    await server.round()
    assert (await server.control.get("P")).row.next.build == 2
    if succeeds:
        assert await done(server, member, lease)
    else:
        await server.release(member, lease)
        await server.round()
    row = (await server.control.get("P")).row
    assert (row.live.build, row.next.build, row.next.revision) == (2 if succeeds else 1, 3, 2)


async def test_an_operator_may_choose_an_older_revision(log: StoredLog, server: Server) -> None:
    await log.append("A", event())
    old = await server.join(revision=1, partitions=2)
    new = await server.join(revision=2, on_new_revision=IN_PLACE)
    member, lease = await given(server, Task.CLEAR)
    assert member is new
    await done(server, member, lease)
    await settle(server)
    await server.control.rebuild("P", IN_PLACE, 1)
    member, lease = await given(server, Task.CLEAR)
    assert member is old
    await done(server, member, lease)
    await settle(server)
    row = (await server.control.get("P")).row
    assert (row.live.revision, len(row.live.partitions), row.next) == (1, 2, None)
    assert (len(old.leases), len(new.leases)) == (2, 0)


async def test_without_a_choice_the_highest_connected_revision_is_taken(new_server: Callable[..., Server]) -> None:
    server = new_server()
    await server.join(revision=4)
    lower = await server.join(revision=2)
    assert (await server.control.rebuild("P", SIDE_BY_SIDE, 0)).row.next.revision == 4
    assert (await server.control.rebuild("P", SIDE_BY_SIDE, 2)).row.next.revision == 2
    for member in list(server.members.values()):
        if member is not lower:
            await server.leave(member)
    assert (await server.control.rebuild("P", IN_PLACE, 0)).row.live.revision == 2


async def test_a_paused_rebuild_waits(log: StoredLog, server: Server) -> None:
    await filled(log, server)
    await server.control.rebuild("P", IN_PLACE, 0)
    await server.control.pause("P")
    await settle(server)
    assert held(await server.control.get("P")) == {}
    assert await state(server) is State.PAUSED
    await server.control.resume("P")
    member, lease = await given(server, Task.CLEAR)
    assert await done(server, member, lease)
