"""Rounds: what keeps leases alive, and gives and takes them. One transaction for all projections that workers here run."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.projections.assignment import decide
from mink_server.core.projections.model import Grant, Lease, Orders, Task
from mink_server.storage.projections.builds import late
from mink_server.storage.projections.rows import end_lease
from mink_server.storage.projections.tables import Changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mink_server.core.projections.model import Member, PartitionRow, Progress
    from mink_server.storage.projections.builds import Builds
    from mink_server.storage.projections.connection import LeaseConnection
    from mink_server.storage.projections.rows import Stored
    from mink_server.storage.projections.tables import Tables

# Workers that were not seen for so long are forgotten; what they did not say on leaving is of no use any more.
FORGET_AFTER: Final = timedelta(minutes=5)
_REPLAYS: Final = 100
_AT_ONCE: Final = 50


class Rounds:
    """The rounds of one server.

    Args:
        connection: What they use.
        tables: The tables.
        builds: The steps of rebuilds.
    """

    def __init__(self, connection: LeaseConnection, tables: Tables, builds: Builds) -> None:
        self._connection = connection
        self._tables = tables
        self._builds = builds

    async def round(self, members: Sequence[Member]) -> Mapping[str, Orders]:
        """As `core.projections.port` says."""
        if not members:
            return {}
        names = sorted({member.projection for member in members})
        async with self._connection.use() as connection, connection.transaction():
            found, now = await self._tables.locked(connection, names)
            waiting = [(stored, worker) for stored in found.values() if (worker := late(stored, now)) is not None]
            if waiting:  # rare
                for stored, worker in waiting:
                    await self._builds.begin(connection, stored, worker)
                found, now = await self._tables.locked(connection, names)
            work = _Round(found, now, timedelta(seconds=self._tables.lease))
            await work.run(members)
            await self._add_replays(connection, work.standing, work.orders)
            await self._tables.write(connection, work.changes, now)
        return work.orders

    async def _add_replays(self, connection: Any, standing: dict[Lease, str], orders: dict[str, Orders]) -> None:
        leases = {(lease.projection, lease.build, lease.partition): lease for lease in standing}
        if not leases:
            return
        columns = [list(column) for column in zip(*leases, strict=True)]
        for row in await connection.fetch(self._tables.statement("replays"), *columns, _REPLAYS):
            lease = leases[row["name"], row["build"], row["partition"]]
            orders[standing[lease]].replays.setdefault(lease, []).append(row["position"])


class _Round:
    """What one round does with what it has read.

    Attributes:
        orders: By worker.
        standing: Leases for handling events that were renewed and may stay, with their workers.
        changes: What is to be written.
    """

    def __init__(self, found: dict[str, Stored], now: datetime, lease: timedelta) -> None:
        self._found = found
        self._now = now
        self._until = now + lease
        self.orders: dict[str, Orders] = {}
        self.standing: dict[Lease, str] = {}
        self.changes = Changes()

    async def run(self, members: Sequence[Member]) -> None:
        """Goes through all projections; lets others have the loop now and then."""
        by_projection: dict[str, list[Member]] = defaultdict(list)
        for member in members:
            self.orders[member.worker] = Orders()
            by_projection[member.projection].append(member)
        for count, (name, mine) in enumerate(by_projection.items(), 1):
            stored = self._found.get(name)
            if stored is None:
                self._unknown(mine)
            else:
                self._projection(stored, mine)
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def _unknown(self, members: Sequence[Member]) -> None:
        for member in members:
            orders = self.orders[member.worker]
            orders.known = False
            orders.lost.extend(member.leases)

    def _projection(self, stored: Stored, members: Sequence[Member]) -> None:
        name = stored.row.name
        changed: dict[tuple[int, int], PartitionRow] = {}
        known = {worker.worker: worker for worker in stored.row.workers}
        mine = [member for member in members if member.worker in known]
        self._unknown([member for member in members if member.worker not in known])
        for member in mine:
            worker = known[member.worker]
            worker.seen_at, worker.seen_until, worker.leaving = self._now, self._until, member.leaving
            self.changes.seen.append((name, worker))
            self._renew(stored, member, changed)
        self._forget(stored, changed)
        self._decide(stored, {member.worker for member in mine}, changed)
        self.changes.partitions += [(name, build, partition) for (build, _), partition in changed.items()]

    def _renew(self, stored: Stored, member: Member, changed: dict[tuple[int, int], PartitionRow]) -> None:
        for lease, progress in member.leases.items():
            partition = stored.partition(lease.build, lease.partition)
            if (
                partition is None
                or partition.token != lease.token
                or partition.worker != member.worker
                or not partition.held(self._now)
            ):
                self.orders[member.worker].lost.append(lease)
                continue
            partition.lease_until = self._until
            if progress is not None:
                _add(partition, progress, self._now)
            if partition.task is Task.HANDLE:
                self.standing[lease] = member.worker
            changed[lease.build, lease.partition] = partition

    def _forget(self, stored: Stored, changed: dict[tuple[int, int], PartitionRow]) -> None:
        """Forgets workers that are long gone, and ends leases of those that are not known."""
        row = stored.row
        for worker in row.workers:
            if worker.seen_until < self._now - FORGET_AFTER:
                self.changes.gone.append((row.name, worker.worker))
                self.changes.told.add(row.name)
        row.workers = [worker for worker in row.workers if worker.seen_until >= self._now - FORGET_AFTER]
        known = {worker.worker for worker in row.workers}
        for build in stored.builds:
            for partition in build.partitions:
                if partition.worker and partition.worker not in known:
                    end_lease(partition)
                    changed[build.build, partition.partition] = partition
                    self.changes.told.add(row.name)

    def _decide(self, stored: Stored, mine: set[str], changed: dict[tuple[int, int], PartitionRow]) -> None:
        row = stored.row
        decision = decide(row, mine, self._now)
        for build in stored.builds:
            if build is row.live and decision.rebuilt:
                build.rebuild_began_at = None
            if build.build in decision.phases or (build is row.live and decision.rebuilt):
                self.changes.builds.append((row.name, build))
        for worker, build_number, number in decision.revokes:
            held = stored.partition(build_number, number)
            assert held is not None
            lease = Lease(row.name, build_number, number, held.token)
            self.standing.pop(lease, None)
            self.orders[worker].revokes.append(lease)
        for worker, build_number, number, task in decision.grants:
            free = stored.partition(build_number, number)
            assert free is not None
            changed[build_number, number] = free
            self.orders[worker].grants.append(self._grant(stored, worker, build_number, free, task))
        if decision.grants:
            self.changes.projections.append(stored)
        if decision.grants or decision.phases or decision.rebuilt:
            self.changes.told.add(row.name)

    def _grant(self, stored: Stored, worker: str, number: int, partition: PartitionRow, task: Task) -> Grant:
        row = stored.row
        # Read models keep tokens. Those of a projection that was deleted and made again, or of a database that was restored, are
        # greater than theirs because time goes on.
        row.last_token = max(row.last_token + 1, int(self._now.timestamp() * 1000))
        partition.token = row.last_token
        partition.task = task
        partition.worker = worker
        partition.leased_at, partition.lease_until = self._now, self._until
        partition.faulted, partition.restart_at = False, None
        partition.caught_up, partition.rate = False, 0.0
        build = row.live if row.live.build == number else row.next
        assert build is not None
        return Grant(
            lease=Lease(row.name, number, partition.partition, partition.token),
            task=task,
            checkpoint=partition.checkpoint,
            partitions=stored.partitions[number],
            where=build.where,
            live=build is row.live,
            live_build=row.live.build,
        )


def _add(partition: PartitionRow, progress: Progress, now: datetime) -> None:
    if partition.checkpoint != progress.checkpoint:
        partition.updated_at = now
    partition.checkpoint = progress.checkpoint
    partition.events += progress.events
    partition.errors += progress.errors
    partition.rate = progress.rate
    partition.caught_up = progress.caught_up
