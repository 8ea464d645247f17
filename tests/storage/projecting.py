"""A server as projections see it: workers that are connected to it, and rounds."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from mink_server.core.projections.model import (
    HandlerError,
    Joining,
    Lease,
    Member,
    Observed,
    Orders,
    PartitionRow,
    Progress,
    RebuildMode,
)
from mink_server.storage.projections import Projections

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mink_server.storage.database import Database

ERROR = HandlerError(3, "Happened", "A", "no such column", 4)


def joining(projection: str = "P", worker: str = "", **said: Any) -> Joining:
    """What a worker says that takes everything and can everything."""
    given: dict[str, Any] = {
        "name": worker or "somebody",
        "revision": 1,
        "partitions": 1,
        "max_partitions": 0,
        "where": None,
        "start_after": 0,
        "on_new_revision": RebuildMode.IN_PLACE,
        "can_clear": True,
        "can_switch": True,
    }
    return Joining(projection=projection, worker=worker or uuid.uuid4().hex, **given | said)


class Server:
    """One server, with the workers that are connected to it; `told` are the orders of its last round."""

    def __init__(self, database: Database, schema: str, lease: float) -> None:
        self.id = uuid.uuid4().hex
        self.projections = Projections(database, schema, lease, self.id)
        self.workers = self.projections.workers
        self.control = self.projections.control
        self.members: dict[str, Member] = {}
        self.told: Mapping[str, Orders] = {}

    async def join(self, projection: str = "P", worker: str = "", **said: Any) -> Member:
        """A worker comes."""
        new = joining(projection, worker, **said)
        await self.workers.join(new)
        self.members[new.worker] = Member(projection, new.worker)
        return self.members[new.worker]

    async def leave(self, member: Member) -> None:
        """A worker goes."""
        del self.members[member.worker]
        await self.workers.leave(member.projection, member.worker)

    async def round(self) -> Mapping[str, Orders]:
        """A round; workers take what they are given, and forget what they have lost."""
        self.told = await self.workers.round(list(self.members.values()))
        for worker, orders in self.told.items():
            leases = self.members[worker].leases
            for lease in leases:
                leases[lease] = None
            for lost in orders.lost:
                leases.pop(lost, None)
            leases.update((grant.lease, None) for grant in orders.grants)
        return self.told

    async def release(self, member: Member, lease: Lease, progress: Progress | None = None) -> bool:
        """A worker gives a lease back."""
        member.leases.pop(lease, None)
        return await self.workers.release(lease, progress)

    async def release_revoked(self) -> int:
        """Workers give back what the last round has revoked; how many leases that were."""
        there = [(member, orders) for worker, orders in self.told.items() if (member := self.members.get(worker))]
        revoked = [(member, lease) for member, orders in there for lease in orders.revokes]
        for member, lease in revoked:
            await self.release(member, lease)
        return len(revoked)

    async def only_lease(self) -> Lease:
        """The lease of the only partition, given to one of its workers."""
        await self.round()
        [lease] = [lease for member in self.members.values() for lease in member.leases]
        return lease

    async def partition(self, number: int = 0, projection: str = "P") -> PartitionRow:
        """A partition of the live build."""
        return (await self.control.get(projection)).row.live.partitions[number]


async def settle(*servers: Server) -> None:
    """Rounds until nothing is given or taken any more."""
    for _ in range(50):
        busy = 0
        for server in servers:
            told = await server.round()
            busy += sum(len(orders.grants) + len(orders.lost) for orders in told.values())
            busy += await server.release_revoked()
        if not busy:
            return
    raise AssertionError("leases go to and fro")


async def come_to(server: Server, checkpoint: int, **more: Any) -> None:
    """Everything that the workers hold is handled up to a position."""
    for member in server.members.values():
        for lease in member.leases:
            member.leases[lease] = Progress(lease, checkpoint, **more)
    await server.round()


def held(observed: Observed, build: int = 1) -> dict[int, str]:
    """Which worker holds which partition of a build."""
    row = observed.row
    [found] = [one for one in (row.live, row.next) if one is not None and one.build == build]
    return {p.partition: p.worker for p in found.partitions if p.held(observed.now)}


async def pass_time(database: Database, schema: str, seconds: float) -> None:
    """As if so much time had passed, for all that has a time."""
    for table, columns in (
        ("projection_partitions", ("leased_at", "lease_until", "restart_at")),
        ("projection_workers", ("seen_at", "seen_until")),
    ):
        set_columns = ", ".join(f"{column} = {column} - make_interval(secs => $1)" for column in columns)
        async with database.connection() as connection:
            await connection.execute(f"update {schema}.{table} set {set_columns}", seconds)
