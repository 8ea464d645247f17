"""Whatever happens to projections in whatever order: nobody shares a lease, and it all comes right in the end."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import pytest
from mink_server.core.errors import ProjectionInUseError
from mink_server.core.projections.model import Lease, Phase, Progress, RebuildMode, State, Task
from mink_server.core.projections.state import state_of

from tests.storage.conftest import StoredLog, event
from tests.storage.projecting import ERROR, Server, held, pass_time

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = 250
_MODES = (RebuildMode.IN_PLACE, RebuildMode.SIDE_BY_SIDE)


class World:
    """Two servers, their workers, and a projection of each of two names."""

    def __init__(self, log: StoredLog, servers: list[Server], seed: int) -> None:
        self.log = log
        self.servers = servers
        self.chance = random.Random(seed)
        self.tasks: dict[Lease, Task] = {}
        self.tokens: dict[str, int] = {}
        self.head = 0

    async def round(self, server: Server) -> int:
        told = await server.round()
        granted = [grant for orders in told.values() for grant in orders.grants]
        for grant in granted:
            lease = grant.lease
            assert lease.token > self.tokens.get(lease.projection, 0), "a token that was given before"
        for grant in granted:
            name = grant.lease.projection
            self.tokens[name] = max(self.tokens.get(name, 0), grant.lease.token)
            self.tasks[grant.lease] = grant.task
        return len(granted) + sum(len(orders.revokes) for orders in told.values())

    async def step(self) -> None:
        server = self.chance.choice(self.servers)
        name = self.chance.choice("PQ")
        members = list(server.members.values())
        member = self.chance.choice(members) if members else None
        lease = self.chance.choice(list(member.leases)) if member and member.leases else None
        what = self.chance.choices(
            ["round", "join", "leave", "die", "wait", "obey", "fault", "work", "done", "control"],
            [30, 8, 3, 1, 3, 20, 4, 15, 15, 5],
        )[0]
        if what == "round":
            await self.round(server)
        elif what == "join" and len(members) < 4:
            await self.join(server, name)
        elif what == "leave" and member:
            await server.leave(member)
        elif what == "die":
            server.members.clear()
        elif what == "wait":
            await pass_time(self.log.database, self.log.schema, self.chance.choice([20, 100]))
        elif what == "obey":
            await server.release_revoked()
        elif what == "work":
            await self.work(server)
        elif what == "control":
            await self.control(server, name)
        elif lease and member and what == "fault":
            member.leases.pop(lease)
            await server.workers.fault(lease, ERROR, self.chance.choice([None, 10]))
        elif lease and what == "done":
            await self.do_tasks(server)

    async def join(self, server: Server, name: str) -> None:
        revision = self.chance.choice([1, 1, 2, 3])
        mode = self.chance.choice(_MODES)
        await server.join(name, revision=revision, partitions=revision + 1, on_new_revision=mode)

    async def work(self, server: Server) -> None:
        if self.chance.random() < 0.3:
            self.head = (await self.log.append("A", event())).last_position
        for member in server.members.values():
            for lease in member.leases:
                if self.tasks[lease] is Task.HANDLE:
                    member.leases[lease] = Progress(lease, self.head, caught_up=True)

    async def do_tasks(self, server: Server) -> None:
        for member in server.members.values():
            for lease in list(member.leases):
                if self.tasks[lease] is not Task.HANDLE:
                    member.leases.pop(lease)
                    await server.workers.done(lease)

    async def control(self, server: Server, name: str) -> None:
        control = server.control
        if name not in [observed.row.name for observed in await control.list()]:
            return
        what = self.chance.choice([control.pause, control.resume, control.restart, control.rebuild])
        with contextlib.suppress(ProjectionInUseError):
            if what == control.rebuild:
                await control.rebuild(name, self.chance.choice(_MODES), self.chance.choice([0, 0, 1, 2, 3]))
            else:
                await what(name)

    async def check(self) -> None:
        for observed in await self.servers[0].control.list():
            row, now = observed.row, observed.now
            builds = [row.live] if row.next is None else [row.live, row.next]
            leases = [[p for p in build.partitions if p.held(now)] for build in builds]
            for partitions in leases:
                assert len(partitions) == 1 or all(p.task is not Task.CLEAR for p in partitions)
            together = [p for partitions in leases for p in partitions]
            assert len(together) == 1 or all(p.task is not Task.SWITCH for p in together)
            for build in builds:
                assert [p.partition for p in build.partitions] == list(range(len(build.partitions)))
                if build.phase is not Phase.CLEARING:
                    assert len(build.partitions) == build.revision + 1

    async def come_right(self) -> None:
        """All old workers are gone, and good ones come."""
        for server in self.servers:
            server.members.clear()
        await pass_time(self.log.database, self.log.schema, 1000)
        for name in "PQ":
            for server in self.servers:
                for _ in range(2):
                    await server.join(name, revision=3, partitions=4, on_new_revision=RebuildMode.SIDE_BY_SIDE)
            await self.servers[0].control.resume(name)
            await self.servers[0].control.restart(name)
            await self.servers[0].control.rebuild(name, RebuildMode.SIDE_BY_SIDE, 3)
        # A live build whose revision nobody has any more is taken over by the switch.
        for _ in range(40):
            busy = 0
            for server in self.servers:
                busy += await self.round(server)
                busy += await server.release_revoked()
                await self.do_tasks(server)
                await self.work(server)
            await self.check()
        assert busy == 0, "leases go to and fro"
        for observed in await self.servers[0].control.list():
            row = observed.row
            assert (row.next, row.live.revision, row.live.target, row.live.phase) == (None, 3, None, Phase.FOLLOWING)
            assert state_of(row, observed.now) is State.RUNNING
            assert sorted(held(observed, row.live.build).values()) == sorted(w.worker for w in row.workers if w.revision == 3)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_it_comes_right(log: StoredLog, new_server: Callable[..., Server], seed: int) -> None:
    world = World(log, [new_server(), new_server()], seed)
    for server in world.servers:
        for name in "PQ":
            await server.join(name, partitions=2)
    for _ in range(_STEPS):
        await world.step()
        await world.check()
    await world.come_right()
