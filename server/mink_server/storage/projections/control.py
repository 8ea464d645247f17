"""What operators do, in Postgres. See `core.projections.port`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import ProjectionInUseError, ProjectionNotFoundError
from mink_server.core.projections.model import RebuildMode
from mink_server.core.projections.state import checkpoint_of
from mink_server.storage.projections.builds import can_begin
from mink_server.storage.projections.rows import parked_of
from mink_server.storage.projections.tables import Changes

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from mink_server.core.projections.model import Observed, ParkedEvent, WorkerRow
    from mink_server.storage.database import Database
    from mink_server.storage.projections.builds import Builds
    from mink_server.storage.projections.rows import Code, Stored
    from mink_server.storage.projections.tables import Tables

_MOST_REPLAYED: Final = 10_000
# Numbers of builds that are kept of projections that were deleted.
_MOST_NUMBERS: Final = 10_000


class Control:
    """What operators do with the projections of one log.

    Args:
        database: Where the log is.
        tables: The tables.
        builds: The steps of rebuilds.
    """

    def __init__(self, database: Database, tables: Tables, builds: Builds) -> None:
        self._database = database
        self._tables = tables
        self._builds = builds

    async def list(self) -> builtins.list[Observed]:
        """All, by name."""
        return await self._tables.observe(self._database.fetch, None)

    async def get(self, projection: str) -> Observed:
        """One. Raises ProjectionNotFoundError."""
        return await self._tables.observe_one(self._database.fetch, projection)

    async def pause(self, projection: str) -> Observed:
        """Lets no lease be given any more; answers with how it was just before."""
        async with self._locked(projection) as (connection, stored, now):
            before = await self._tables.observe_one(connection.fetch, projection)
            await self._set_paused(connection, stored, now, paused=True)
        return before

    async def resume(self, projection: str) -> Observed:
        """Ends a pause."""
        async with self._locked(projection) as (connection, stored, now):
            await self._set_paused(connection, stored, now, paused=False)
            return await self._tables.observe_one(connection.fetch, projection)

    async def _set_paused(self, connection: Any, stored: Stored, now: datetime, *, paused: bool) -> None:
        if stored.row.paused is not paused:
            stored.row.paused = paused
            await self._tables.write(connection, Changes(projections=[stored], told={stored.row.name}), now)

    async def rebuild(self, projection: str, mode: RebuildMode, revision: int) -> Observed:
        """Begins a rebuild. Raises ProjectionInUseError if no worker that is connected can do it."""
        async with self._locked(projection) as (connection, stored, now):
            if stored.switching(now):
                raise ProjectionInUseError(projection, "a worker is switching its read model at this moment; try again")
            code = _code(stored, mode, revision, now)
            if mode is RebuildMode.IN_PLACE:
                await self._builds.in_place(connection, stored, code)
            else:
                assert code is not None
                await self._builds.beside(connection, stored, code)
            await self._tables.tell(connection, [projection])
            return await self._tables.observe_one(connection.fetch, projection)

    async def restart(self, projection: str) -> Observed:
        """Forgets faults, and lets all leases be given anew."""
        async with self._locked(projection) as (connection, stored, now):
            await connection.execute(self._tables.statement("forget_faults"), projection)
            stored.row.restart_token = stored.row.last_token
            await self._tables.write(connection, Changes(projections=[stored], told={projection}), now)
            return await self._tables.observe_one(connection.fetch, projection)

    async def delete(self, projection: str) -> tuple[int, int]:
        """Forgets it; answers with its checkpoint, and how many events were parked."""
        async with self._locked(projection) as (connection, stored, now):
            if workers := stored.connected(now):
                names = ", ".join(sorted(worker.name for worker in workers)[:5])
                raise ProjectionInUseError(projection, f"{len(workers)} worker(s) run it ({names}): stop them first")
            observed = await self._tables.observe_one(connection.fetch, projection)
            await connection.execute(self._tables.statement("delete"), projection, _MOST_NUMBERS)
            await self._tables.tell(connection, [projection])
        return checkpoint_of(observed.row.live), observed.row.parked

    async def parked(self, projection: str, after: int, limit: int) -> builtins.list[ParkedEvent]:
        """Parked events of the live build after a position."""
        rows = await self._database.fetch(self._tables.statement("parked"), projection, after, limit)
        if not rows:
            raise ProjectionNotFoundError(projection)
        return [parked_of(row) for row in rows if row["position"] is not None]

    async def replay(self, projection: str, positions: Sequence[int]) -> builtins.list[int]:
        """Marks parked events to be tried again; answers with their positions."""
        async with self._there(projection) as connection:
            rows = await connection.fetch(
                self._tables.statement("replay"), projection, positions or None, _MOST_REPLAYED, self._tables.server
            )
        return [row["position"] for row in rows]

    async def replaying(self, projection: str, positions: Sequence[int]) -> Mapping[int, bool]:
        """Of parked events, those that are still parked, and whether they still wait for being tried again."""
        rows = await self._database.fetch(self._tables.statement("replaying"), projection, positions)
        if not rows:
            await self._exists(self._database, projection)
        return {row["position"]: row["replaying"] for row in rows}

    async def handled(self, projection: str, positions: Sequence[int]) -> int:
        """Of events that `replay` has marked lately, and that are parked no longer, how many were handled."""
        ((count,),) = await self._database.fetch(self._tables.statement("handled"), projection, positions)
        return int(count)

    async def drop(self, projection: str, positions: Sequence[int]) -> int:
        """Forgets parked events; answers with how many."""
        async with self._there(projection) as connection:
            dropped: int = await connection.fetchval(self._tables.statement("drop"), projection, positions or None)
        return dropped

    @asynccontextmanager
    async def _locked(self, projection: str) -> AsyncIterator[tuple[Any, Stored, datetime]]:
        """A transaction in which nobody else changes the projection."""
        async with self._database.connection() as connection, connection.transaction():
            yield (connection, *(await self._tables.locked_one(connection, projection)))

    @asynccontextmanager
    async def _there(self, projection: str) -> AsyncIterator[Any]:
        """A connection, if there is such a projection."""
        async with self._database.connection() as connection:
            await self._exists(connection, projection)
            yield connection

    async def _exists(self, fetcher: Any, projection: str) -> None:
        if not await fetcher.fetch(self._tables.statement("exists"), projection):
            raise ProjectionNotFoundError(projection)


def _code(stored: Stored, mode: RebuildMode, revision: int, now: datetime) -> Code | None:
    """The code to rebuild with; None: that of the live build, which nobody has connected with yet."""
    name, live = stored.row.name, stored.row.live
    workers = stored.connected(now)
    wanted = revision or max((worker.revision for worker in workers), default=live.revision)
    fitting = [worker for worker in workers if worker.revision == wanted]
    able = next((worker for worker in fitting if can_begin(worker, mode)), None)
    if able is not None:
        return stored.codes[able.worker]
    if mode is RebuildMode.IN_PLACE and not workers and wanted == live.revision:
        return None
    raise ProjectionInUseError(name, _why_not(workers, fitting, mode, wanted))


def _why_not(workers: Sequence[WorkerRow], fitting: Sequence[WorkerRow], mode: RebuildMode, wanted: int) -> str:
    if fitting:
        can = "keep a build beside it and switch" if mode is RebuildMode.SIDE_BY_SIDE else "clear its read model"
        return f"no worker of revision {wanted} that is connected can {can}"
    there = ", ".join(str(revision) for revision in sorted({worker.revision for worker in workers}))
    return f"no worker of revision {wanted} is connected" + (f", only of {there}" if there else "; start one first")
