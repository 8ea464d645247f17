"""The steps of a rebuild, in transactions that have locked the projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mink_server.core.projections.model import Phase, RebuildMode, Task
from mink_server.storage.projections.filters import text_of
from mink_server.storage.projections.rows import Code, end_lease
from mink_server.storage.projections.tables import Changes
from mink_server.storage.statements import statement

if TYPE_CHECKING:
    from datetime import datetime

    from mink_server.core.projections.model import Joining, PartitionRow, WorkerRow
    from mink_server.storage.projections.rows import Stored
    from mink_server.storage.projections.tables import Tables


class Builds:
    """The builds of one log's projections.

    Args:
        tables: Where they are.
        schema: The schema that the log is in.
    """

    def __init__(self, tables: Tables, schema: str) -> None:
        self._tables = tables
        self._head = statement("read_head", schema)

    async def in_place(self, connection: Any, stored: Stored, code: Code | None) -> None:
        """Has the live build's read model cleared and filled again; with `code`, which is then the build's, or its own."""
        row, live = stored.row, stored.row.live
        code = code or Code(live.revision, stored.partitions[live.build], live.where, RebuildMode.IN_PLACE)
        if row.next is not None and row.next.revision <= code.revision:
            await connection.execute(self._tables.statement("remove_next_build"), row.name)
        # A fault would keep the partition from being given to whoever clears.
        await connection.execute(self._tables.statement("forget_faults"), row.name)
        await connection.execute(
            self._tables.statement("clear"), row.name, live.build, code.revision, code.partitions, text_of(code.where)
        )

    async def beside(self, connection: Any, stored: Stored, code: Code) -> None:
        """Begins a build beside the live one, instead of one that is there."""
        row = stored.row
        if row.next is not None:
            await connection.execute(self._tables.statement("remove_next_build"), row.name)
        await connection.execute(
            self._tables.statement("add_build"),
            row.name,
            code.revision,
            code.partitions,
            text_of(code.where),
            row.live.start_after,
            await self.head(connection),
        )

    async def begin(self, connection: Any, stored: Stored, worker: WorkerRow) -> None:
        """Begins a build for a worker whose code is newer than every build, as the code says."""
        code = stored.codes[worker.worker]
        if code.on_new_revision is RebuildMode.SIDE_BY_SIDE:
            await self.beside(connection, stored, code)
        else:
            await self.in_place(connection, stored, code)
        await self._tables.tell(connection, [stored.row.name])

    async def done(self, connection: Any, stored: Stored, partition: PartitionRow, build: int, now: datetime) -> bool:
        """The holder of a partition has done the task of its lease; whether that was still wanted."""
        row = stored.row
        if partition.task is Task.CLEAR:
            # Since then, other code may have been asked to clear it.
            if build != row.live.build or row.live.phase is not Phase.CLEARING or partition.token <= row.restart_token:
                return False
            await connection.execute(self._tables.statement("remove_partitions"), row.name, build)
            await connection.execute(self._tables.statement("begin_again"), row.name, build, await self.head(connection))
            return True
        if partition.task is Task.SWITCH and row.next is not None and build == row.next.build:
            # Readers see it already, whatever has been decided since.
            end_lease(partition)
            await self._tables.write(connection, Changes(partitions=[(row.name, build, partition)]), now)
            worker = late(stored, now)
            await connection.execute(self._tables.statement("switch"), row.name)
            if worker is not None:
                switched, _ = await self._tables.locked_one(connection, row.name)
                await self.begin(connection, switched, worker)
            return True
        return False

    async def head(self, connection: Any) -> int:
        """The newest position."""
        head: int = await connection.fetchval(self._head)
        return head


def is_newer(stored: Stored, worker: WorkerRow) -> bool:
    """Whether a worker's code should have a build of its own, and can begin one."""
    highest = max(build.revision for build in stored.builds)
    return worker.revision > highest and can_begin(worker, stored.codes[worker.worker].on_new_revision)


def late(stored: Stored, now: datetime) -> WorkerRow | None:
    """A worker whose code is newer than the build beside the live one, and which came while that could not be given up.

    Code that was there before is not begun with: an operator may have chosen an older one.
    """
    following = stored.row.next
    if following is None or following.rebuild_began_at is None or stored.switching(now):
        return None
    came = [w for w in stored.connected(now) if w.connected_at > following.rebuild_began_at and not w.leaving]
    return max((w for w in came if is_newer(stored, w)), key=lambda worker: worker.revision, default=None)


def can_begin(worker: WorkerRow | Joining, mode: RebuildMode) -> bool:
    """Whether a worker's code can build a read model anew in a way."""
    return worker.can_switch if mode is RebuildMode.SIDE_BY_SIDE else worker.can_clear
