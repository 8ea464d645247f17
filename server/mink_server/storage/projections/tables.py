"""Reading and writing the tables of projections, many projections with one statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import ProjectionNotFoundError
from mink_server.core.projections.model import Observed
from mink_server.core.projections.state import checkpoint_of
from mink_server.storage.projections.rows import Stored, projections_of
from mink_server.storage.statements import statement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from mink_server.core.projections.model import BuildRow, PartitionRow, WorkerRow

# Seconds, and part of a lease, that a change waits for another one of the same projection: shorter than others' leases have left.
_LOCK_TIMEOUT: Final = 1.0
_OF_LEASE: Final = 0.2
# What a server holds locked that stands still in the middle of a change is free after so many lock timeouts.
_STANDSTILL: Final = 2
_TIMEOUTS: Final = "select set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true)"


@dataclass(slots=True)
class Changes:
    """What a transaction has changed in rows that it has locked, to be written together.

    Attributes:
        partitions: (projection, build, partition).
        builds: (projection, build).
        projections: Their rows.
        seen: (projection, worker): workers that live.
        gone: (projection, worker): workers that are no more.
        told: Projections of which other servers must know.
    """

    partitions: list[tuple[str, int, PartitionRow]] = field(default_factory=list)
    builds: list[tuple[str, BuildRow]] = field(default_factory=list)
    projections: list[Stored] = field(default_factory=list)
    seen: list[tuple[str, WorkerRow]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)


class Tables:
    """The tables of one log's projections.

    Args:
        schema: The schema that they are in.
        server: This server's id.
        lease: How long a lease lasts, in seconds.
    """

    def __init__(self, schema: str, server: str, lease: float) -> None:
        self.server = server
        self.lease = lease
        self._schema = schema
        timeout = max(_LOCK_TIMEOUT, lease * _OF_LEASE)
        self._timeouts = f"{int(timeout * 1000)}ms", f"{int(timeout * _STANDSTILL * 1000)}ms"
        self._read = self.statement("read")

    def statement(self, name: str) -> str:
        """The statement in `sql/projections/<name>.sql`."""
        return statement(f"projections/{name}", self._schema)

    async def locked(self, connection: Any, names: Sequence[str]) -> tuple[dict[str, Stored], datetime]:
        """Those of some projections that are there, locked until the end of the transaction, and the time after that."""
        await connection.fetchval(_TIMEOUTS, *self._timeouts)
        # One that is made at this moment is there for the next statement, and would be read without its lock.
        there = [row["name"] for row in await connection.fetch(self.statement("lock"), names)]
        # What saves progress locks partitions alone.
        rows = await connection.fetch(f"{self._read} for update of q", there)
        return await self._with_workers(connection.fetch, rows, there)

    async def locked_one(self, connection: Any, name: str) -> tuple[Stored, datetime]:
        """One projection, as `locked`. Raises ProjectionNotFoundError."""
        found, now = await self.locked(connection, [name])
        if name not in found:
            raise ProjectionNotFoundError(name)
        return found[name], now

    async def observe(self, fetch: Callable[..., Awaitable[list[Any]]], names: Sequence[str] | None) -> list[Observed]:
        """Projections as they are, by name; `names` None: all of them."""
        found, now = await self._with_workers(fetch, await fetch(self._read, names), names)
        live = [stored.row.live for stored in found.values()]
        numbers = await fetch(
            self.statement("read_numbers"), list(found), [build.build for build in live], [checkpoint_of(build) for build in live]
        )
        by_name = {row["name"]: row for row in numbers}
        observed = []
        for name in sorted(found):
            row = found[name].row
            row.parked = by_name[name]["parked"]
            observed.append(Observed(row, now, by_name[name]["head"], by_name[name]["oldest_unhandled_at"]))
        return observed

    async def observe_one(self, fetch: Callable[..., Awaitable[list[Any]]], name: str) -> Observed:
        """One projection as it is. Raises ProjectionNotFoundError."""
        observed = await self.observe(fetch, [name])
        if not observed:
            raise ProjectionNotFoundError(name)
        return observed[0]

    async def _with_workers(
        self, fetch: Callable[..., Awaitable[list[Any]]], rows: list[Any], names: Sequence[str] | None
    ) -> tuple[dict[str, Stored], datetime]:
        workers = await fetch(self.statement("read_workers"), names)
        return projections_of(rows, workers), workers[-1]["now"]

    async def write(self, connection: Any, changes: Changes, now: datetime) -> None:
        """Writes what was changed, and tells other servers at the commit."""
        if changes.partitions:
            await connection.execute(self.statement("write_partitions"), *_columns(_partition(*it) for it in changes.partitions))
        if changes.seen:
            await connection.execute(
                self.statement("write_workers"),
                now,
                changes.seen[0][1].seen_until,
                *_columns((name, worker.worker, worker.leaving) for name, worker in changes.seen),
            )
        if changes.gone:
            await connection.execute(self.statement("remove_workers"), *_columns(changes.gone))
        if changes.builds:
            await connection.execute(
                self.statement("write_builds"),
                *_columns((name, b.build, b.phase, b.target, b.rebuild_began_at) for name, b in changes.builds),
            )
        if changes.projections:
            rows = [stored.row for stored in changes.projections]
            await connection.execute(
                self.statement("write_projections"), *_columns((r.name, r.paused, r.last_token, r.restart_token) for r in rows)
            )
        await self.tell(connection, changes.told)

    async def tell(self, connection: Any, names: Iterable[str]) -> None:
        """Tells other servers that projections have changed, at the commit."""
        if names := sorted(names):
            await connection.execute(self.statement("notify"), self.server, names)


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Rows as the arrays that statements take."""
    return [list(column) for column in zip(*rows, strict=True)]


def _partition(name: str, build: int, p: PartitionRow) -> tuple[Any, ...]:
    return (
        name,
        build,
        p.partition,
        p.checkpoint,
        p.caught_up,
        p.events,
        p.errors,
        p.rate,
        p.updated_at,
        p.token,
        p.task,
        p.worker,
        p.leased_at,
        p.lease_until,
        p.faulted,
        p.restart_at,
    )
