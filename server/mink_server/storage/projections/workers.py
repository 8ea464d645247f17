"""What workers do, in Postgres. See `core.projections.port`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mink_server.core import limits
from mink_server.core.errors import FieldViolation, InvalidRequestError, OverloadedError, PositionAheadError, shown
from mink_server.core.projections.model import Lease, RebuildMode
from mink_server.storage.projections.builds import can_begin, is_newer
from mink_server.storage.projections.filters import text_of
from mink_server.storage.projections.rounds import FORGET_AFTER
from mink_server.storage.projections.rows import Code, end_lease
from mink_server.storage.projections.tables import Changes
from mink_server.storage.statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from mink_server.core.filters import EventFilter
    from mink_server.core.projections.model import HandlerError, Joining, Member, Orders, Progress
    from mink_server.storage.database import Database
    from mink_server.storage.projections.builds import Builds
    from mink_server.storage.projections.connection import LeaseConnection
    from mink_server.storage.projections.rounds import Rounds
    from mink_server.storage.projections.rows import Stored
    from mink_server.storage.projections.tables import Tables

# A faulted partition is tried again after a year at the latest: Postgres's times end somewhere.
_LONGEST_PAUSE: Final = 365 * 86400.0


class Workers:
    """What workers of one server do.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        connection: For what must not wait for readers.
        tables: The tables.
        builds: The steps of rebuilds.
        rounds: The rounds.
    """

    def __init__(
        self, database: Database, schema: str, connection: LeaseConnection, tables: Tables, builds: Builds, rounds: Rounds
    ) -> None:
        self._database = database
        self._head = statement("read_head", schema)
        self._connection = connection
        self._tables = tables
        self._builds = builds
        self._rounds = rounds

    async def join(self, joining: Joining, check: Callable[[EventFilter | None], None] | None = None) -> None:
        """A worker has come."""
        async with self._database.connection() as connection, connection.transaction():
            found, now = await self._tables.locked(connection, [joining.projection])
            if joining.projection not in found:
                await self._create(connection, joining)
                found, now = await self._tables.locked(connection, [joining.projection])
            if joining.projection not in found:
                raise OverloadedError(full=f"there are {limits.MAX_PROJECTIONS} projections, as many as there may be: delete one")
            stored = found[joining.projection]
            if check is not None:
                for build in stored.builds:
                    check(build.where)
            _check(stored, joining, now)
            stale = [(joining.projection, w.worker) for w in stored.row.workers if w.seen_until < now - FORGET_AFTER]
            if len(stored.row.workers) - len(stale) >= limits.MAX_WORKERS:
                name = shown(joining.projection)
                raise OverloadedError(
                    full=f"there are {limits.MAX_WORKERS} workers of projection {name!r}, as many as there may be"
                )
            await self._tables.write(connection, Changes(gone=stale, told={joining.projection}), now)
            await connection.execute(self._tables.statement("add_worker"), *self._worker(joining))
            found, now = await self._tables.locked(connection, [joining.projection])
            stored = found[joining.projection]
            worker = next(one for one in stored.row.workers if one.worker == joining.worker)
            # During a switch it waits for a round.
            if is_newer(stored, worker) and not stored.switching(now):
                await self._builds.begin(connection, stored, worker)

    async def _create(self, connection: Any, joining: Joining) -> None:
        head = await connection.fetchrow(self._head)
        if joining.start_after > head["head"]:
            raise PositionAheadError(joining.start_after, head["head"], head["log_id"])
        await connection.execute(
            self._tables.statement("create"),
            joining.projection,
            joining.revision,
            joining.partitions,
            text_of(joining.where),
            joining.start_after,
            limits.MAX_PROJECTIONS,
        )

    def _worker(self, joining: Joining) -> Sequence[Any]:
        return (
            joining.projection,
            joining.worker,
            joining.name,
            joining.revision,
            joining.partitions,
            text_of(joining.where),
            joining.on_new_revision,
            joining.max_partitions,
            joining.can_clear,
            joining.can_switch,
            self._tables.lease,
        )

    async def leave(self, projection: str, worker: str) -> None:
        """A worker has gone."""
        async with self._database.connection() as connection, connection.transaction():
            found, now = await self._tables.locked(connection, [projection])
            if projection not in found:
                return
            changes = Changes(gone=[(projection, worker)], told={projection})
            for build in found[projection].builds:
                for partition in build.partitions:
                    if partition.worker == worker:
                        end_lease(partition)
                        changes.partitions.append((projection, build.build, partition))
            await self._tables.write(connection, changes, now)

    async def round(self, members: Sequence[Member]) -> Mapping[str, Orders]:
        """Renews, saves, decides."""
        return await self._rounds.round(members)

    async def save(self, progress: Sequence[Progress]) -> Sequence[Lease]:
        """Saves progress between rounds."""
        if not progress:
            return []
        rows = [
            (*_key(p.lease), p.checkpoint, p.events, p.errors, p.rate, p.caught_up) for p in {p.lease: p for p in progress}.values()
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        async with self._connection.use() as connection:
            saved = await connection.fetch(self._tables.statement("save"), *columns)
        standing = {(row["name"], row["token"]) for row in saved}
        return [p.lease for p in progress if (p.lease.projection, p.lease.token) not in standing]

    async def start(self, lease: Lease, position: int) -> bool:
        """A worker handles events from after a position."""
        return await self._fetchrow("start", *_key(lease), position) is not None

    async def release(self, lease: Lease, progress: Progress | None) -> bool:
        """A worker gives a lease back."""
        came = (None, 0, 0) if progress is None else (progress.checkpoint, progress.events, progress.errors)
        return await self._fetchrow("release", *_key(lease), *came, self._tables.server) is not None

    async def fault(self, lease: Lease, error: HandlerError, restart_after: float | None) -> bool:
        """A worker cannot go on."""
        seconds = None if restart_after is None else min(max(restart_after, 0.0), _LONGEST_PAUSE)
        row = await self._fetchrow(
            "fault",
            *_key(lease),
            seconds,
            error.message,
            error.position,
            error.type,
            error.stream,
            error.attempts,
            self._tables.server,
        )
        return row is not None

    async def done(self, lease: Lease) -> bool:
        """A worker has cleared or switched the read model."""
        async with self._database.connection() as connection, connection.transaction():
            found, now = await self._tables.locked(connection, [lease.projection])
            stored = found.get(lease.projection)
            partition = None if stored is None else stored.partition(lease.build, lease.partition)
            if stored is None or partition is None or partition.token != lease.token or not partition.held(now):
                return False
            was_wanted = await self._builds.done(connection, stored, partition, lease.build, now)
            changes = Changes(told={lease.projection})
            if not was_wanted:
                end_lease(partition)
                changes.partitions.append((lease.projection, lease.build, partition))
            await self._tables.write(connection, changes, now)
            return was_wanted

    async def park(self, lease: Lease, error: HandlerError) -> bool:
        """Sets an event aside. Raises OverloadedError if too many are."""
        what = (error.position, error.type, error.stream, error.message, error.attempts)
        row = await self._fetchrow("park", *_key(lease), *what, limits.MAX_PARKED)
        if row["stands"] and not row["parked"]:
            most = f"there are {limits.MAX_PARKED} parked events of projection {shown(lease.projection)!r}, as many as there may be"
            raise OverloadedError(full=f"{most}: replay or drop some")
        return bool(row["stands"])

    async def replayed(self, lease: Lease, position: int, error: HandlerError | None) -> bool:
        """A parked event was tried again."""
        failed = (None, 0) if error is None else (error.message, error.attempts)
        row = await self._fetchrow("replayed", *_key(lease), position, *failed)
        return bool(row["stands"])

    async def _fetchrow(self, name: str, *args: object) -> Any:
        """The row that a statement answers with, which changes something: it is not tried again."""
        async with self._database.connection() as connection:
            return await connection.fetchrow(self._tables.statement(name), *args)


def _key(lease: Lease) -> tuple[str, int, int, int]:
    return lease.projection, lease.build, lease.partition, lease.token


def _check(stored: Stored, joining: Joining, now: datetime) -> None:
    """Makes sure that the same revision is the same code, and that a newer one can become a build."""
    codes = [Code(build.revision, stored.partitions[build.build], build.where, RebuildMode.IN_PLACE) for build in stored.builds]
    highest = max(code.revision for code in codes)
    codes += [stored.codes[worker.worker] for worker in stored.connected(now)]
    problems = []
    same = next((code for code in codes if code.revision == joining.revision), None)
    if same is not None:
        partitions, where = same.same(joining.partitions, joining.where)
        if not where:
            problems.append(
                FieldViolation(
                    "hello.filter", f"revision {joining.revision} of this projection has another one: give the code a new revision"
                )
            )
        if not partitions:
            problems.append(
                FieldViolation(
                    "hello.partitions",
                    f"revision {joining.revision} of this projection has {same.partitions}: give the code a new revision",
                )
            )
    if joining.revision > highest and not can_begin(joining, joining.on_new_revision):
        beside = joining.on_new_revision is RebuildMode.SIDE_BY_SIDE
        problems.append(
            FieldViolation(
                "hello.can_switch" if beside else "hello.can_clear",
                f"a new revision (the projection is at {highest}) is built "
                + ("side by side, which takes code that can switch" if beside else "in place, which takes code that can clear"),
            )
        )
    if problems:
        raise InvalidRequestError(problems)
