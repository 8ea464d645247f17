"""Mink's own tables beside a read model in Postgres: checkpoints with their fence, and the parked events that were replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mink_client.projections.target import Checkpoint, LeaseLost

if TYPE_CHECKING:
    from asyncpg import Connection, Record
    from asyncpg.pool import PoolConnectionProxy

    from mink_client.projections.lease import Lease

    AnyConnection: TypeAlias = Connection[Record] | PoolConnectionProxy[Record]

NAMES: Final = ("mink_checkpoints", "mink_replayed")

OWN_TIMEOUT: Final = 30.0
"""Seconds that a statement of the library's may take."""


def quoted(name: str) -> str:
    """An identifier as SQL takes it.

    Args:
        name: The identifier.
    """
    return '"' + name.replace('"', '""') + '"'


_MAKE: Final = (
    """create table if not exists {checkpoints} (
        projection text not null,
        build bigint not null,
        partition int not null,
        position bigint, -- null: it has not begun
        token bigint not null,
        log_id text not null,
        updated_at timestamptz not null default now(),
        primary key (projection, build, partition)
    ) with (fillfactor = 50)""",
    """create table if not exists {replayed} (
        projection text not null,
        build bigint not null,
        position bigint not null,
        primary key (projection, build, position)
    )""",
)
# The row is locked to the end of the transaction: whoever claims it waits for that.
_LOCK: Final = """
select position, set_config('search_path', coalesce($5, current_setting('search_path')), true)
from {checkpoints} where projection = $1 and build = $2 and partition = $3 and token = $4
for update"""
_MOVE: Final = """
update {checkpoints} set position = $5, updated_at = now()
where projection = $1 and build = $2 and partition = $3 and token = $4"""
_CLAIM: Final = """
insert into {checkpoints} as c (projection, build, partition, token, log_id) values ($1, $2, $3, $4, $5)
on conflict (projection, build, partition) do update
    set token = excluded.token, log_id = case when c.position is null then excluded.log_id else c.log_id end
    where c.token <= excluded.token
returning position, log_id"""
# Partitions that never had a row get one, as a fence; so do those that the build has no more.
_CLEAR: Final = """
insert into {checkpoints} as c (projection, build, partition, token, log_id)
select $1::text, $2::bigint, n, $4::bigint, $5::text from (
    select generate_series(0, $3::int - 1) as n
    union select partition from {checkpoints} where projection = $1 and build = $2
    order by n
) as all_partitions
on conflict (projection, build, partition) do update
    set position = null, token = excluded.token, log_id = excluded.log_id, updated_at = now()
    where c.token <= excluded.token"""
_FENCE: Final = "update {checkpoints} set token = $3 where projection = $1 and build <= $2 and token <= $3"
_GREATER: Final = "select exists (select from {checkpoints} where projection = $1 and build between $2 and $3 and token > $4)"
_EARLIER: Final = "select max(build) from {checkpoints} where projection = $1 and build < $2"
_LATER: Final = "select exists (select from {checkpoints} where projection = $1 and build > $2)"
_FORGET_EARLIER: Final = (
    "delete from {checkpoints} where projection = $1 and build < $2",
    "delete from {replayed} where projection = $1 and build < $2",
)
_OTHER: Final = "select min(projection) from {checkpoints} where projection <> $1"
_REPLAYED: Final = "insert into {replayed} (projection, build, position) values ($1, $2, $3) on conflict do nothing"
_FORGET: Final = "delete from {replayed} where projection = $1 and build = $2"
# The checkpoints of the build before stay: they fence.
_FORGET_BEFORE: Final = (
    "delete from {checkpoints} where projection = $1 and build < $2::bigint - 1",
    "delete from {replayed} where projection = $1 and build < $2",
)


class Tables:
    """The tables, in a schema."""

    def __init__(self, schema: str | None) -> None:
        """Prepares the statements.

        Args:
            schema: Where they are; None: where the session makes tables.
        """
        self._schema = schema
        prefix = "" if schema is None else f"{quoted(schema)}."
        self._names = tuple(f"{prefix}{name}" for name in NAMES)
        self._lock, self._move, self._replayed = self._sql(_LOCK), self._sql(_MOVE), self._sql(_REPLAYED)

    def _sql(self, text: str) -> str:
        return text.format(checkpoints=self._names[0], replayed=self._names[1])

    async def make(self, connection: AnyConnection) -> None:
        """Makes them, and their schema, if they are not there.

        Args:
            connection: In a transaction.
        """
        if await self._there(connection):
            return
        await one_at_a_time(connection, f"mink tables {self._schema}")
        if await self._there(connection):
            return
        if self._schema is not None and not await connection.fetchval(
            "select to_regnamespace($1) is not null", quoted(self._schema)
        ):
            await connection.execute(f"create schema {quoted(self._schema)}")
        for sql in _MAKE:
            await connection.execute(self._sql(sql))

    async def _there(self, connection: AnyConnection) -> bool:
        sql = "select to_regclass($1) is not null and to_regclass($2) is not null"
        return bool(await connection.fetchval(sql, *self._names, timeout=OWN_TIMEOUT))

    async def lock(self, connection: AnyConnection, lease: Lease, search_path: str | None) -> int | None:
        """Begins a transaction's work; answers with where the read model stands, None: it has not begun.

        Args:
            connection: In a transaction.
            lease: The lease.
            search_path: What the transaction's search path is to be; None: as it is.

        Raises:
            LeaseLost: The lease is over.
        """
        found = await connection.fetchrow(self._lock, *_row(lease), lease.token, search_path, timeout=OWN_TIMEOUT)
        if found is None:
            raise LeaseLost
        position: int | None = found[0]
        return position

    async def move(self, connection: AnyConnection, lease: Lease, position: int) -> None:
        """Moves the checkpoint.

        Args:
            connection: In a transaction, or not.
            lease: The lease.
            position: Where to.

        Raises:
            LeaseLost: The lease is over.
        """
        if await connection.execute(self._move, *_row(lease), lease.token, position, timeout=OWN_TIMEOUT) != "UPDATE 1":
            raise LeaseLost

    async def claim(self, connection: AnyConnection, lease: Lease, log_id: str) -> Checkpoint | None:
        """Fences; answers with where the read model stands, None: it has not begun.

        Args:
            connection: In a transaction.
            lease: The lease.
            log_id: The log, for a read model that has not begun.

        Raises:
            LeaseLost: There is a greater token.
        """
        found = await connection.fetchrow(self._sql(_CLAIM), *_row(lease), lease.token, log_id)
        if found is None:
            raise LeaseLost
        return None if found[0] is None else Checkpoint(found[0], found[1])

    async def clear(self, connection: AnyConnection, lease: Lease, log_id: str) -> None:
        """Sets all partitions of a build back, with the lease's token as fence.

        Args:
            connection: In a transaction.
            lease: The lease.
            log_id: The log from which it will be filled.

        Raises:
            LeaseLost: There is a greater token.
        """
        build = lease.projection, lease.build
        await connection.execute(self._sql(_CLEAR), *build, lease.partitions, lease.token, log_id)
        if await self._has_greater(connection, lease, lease.build):
            raise LeaseLost
        await connection.execute(self._sql(_FORGET), *build)

    async def fence_all(self, connection: AnyConnection, lease: Lease) -> None:
        """Fences all builds up to that of the lease.

        Args:
            connection: In a transaction.
            lease: The lease.

        Raises:
            LeaseLost: There is a greater token.
        """
        await connection.execute(self._sql(_FENCE), lease.projection, lease.build, lease.token)
        if await self.is_over(connection, lease):
            raise LeaseLost

    async def is_over(self, connection: AnyConnection, lease: Lease) -> bool:
        """Whether a greater token is committed in the builds up to that of the lease.

        Args:
            connection: A connection.
            lease: The lease.
        """
        return await self._has_greater(connection, lease, 0)

    async def _has_greater(self, connection: AnyConnection, lease: Lease, first: int) -> bool:
        args = lease.projection, first, lease.build, lease.token
        return bool(await connection.fetchval(self._sql(_GREATER), *args, timeout=OWN_TIMEOUT))

    async def replayed(self, connection: AnyConnection, lease: Lease, position: int) -> bool:
        """Notes that a parked event is handled; answers whether that had been noted already.

        Args:
            connection: In a transaction.
            lease: The lease.
            position: The event's position.
        """
        done = await connection.execute(self._replayed, lease.projection, lease.build, position, timeout=OWN_TIMEOUT)
        return done != "INSERT 0 1"

    async def other_projection(self, connection: AnyConnection, projection: str) -> str | None:
        """The name of another projection that keeps its checkpoints here; None: there is none.

        Args:
            connection: A connection.
            projection: This one.
        """
        name: str | None = await connection.fetchval(self._sql(_OTHER), projection)
        return name

    async def earlier(self, connection: AnyConnection, lease: Lease) -> int | None:
        """The last of the projection's builds before that of the lease that has left a checkpoint; None: there is none.

        Args:
            connection: A connection.
            lease: The lease, on the only build that there should be.

        Raises:
            LeaseLost: There is a later one.
        """
        if await connection.fetchval(self._sql(_LATER), lease.projection, lease.build):
            raise LeaseLost
        build: int | None = await connection.fetchval(self._sql(_EARLIER), lease.projection, lease.build)
        return build

    async def forget_earlier(self, connection: AnyConnection, lease: Lease) -> None:
        """Forgets all builds before that of the lease: who is still at one of them commits no more.

        Args:
            connection: In a transaction.
            lease: The lease.
        """
        for sql in _FORGET_EARLIER:
            await connection.execute(self._sql(sql), lease.projection, lease.build)

    async def forget_before(self, connection: AnyConnection, lease: Lease) -> None:
        """Forgets older builds; of the one before only what no fence needs.

        Args:
            connection: In a transaction.
            lease: A lease on the live build.
        """
        for sql in _FORGET_BEFORE:
            await connection.execute(self._sql(sql), lease.projection, lease.build)


async def one_at_a_time(connection: AnyConnection, what: str) -> None:
    """Waits until no other transaction in this database does the same.

    Args:
        connection: In a transaction, to the end of which that holds.
        what: The same. Example: `mink tables`.
    """
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", what)


def _row(lease: Lease) -> tuple[Any, ...]:
    return lease.projection, lease.build, lease.partition
