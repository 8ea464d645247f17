"""A read model in Postgres, over asyncpg: the checkpoint is in the same database, and moves in the handlers' transaction."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mink_client.projections.policies import Transient
from mink_client.projections.problems import DefinitionError
from mink_client.projections.target import LeaseLost
from mink_client.projections.targets import postgres_builds as builds
from mink_client.projections.targets.postgres_pool import Connections
from mink_client.projections.targets.postgres_tables import OWN_TIMEOUT, Tables, one_at_a_time, quoted
from mink_client.projections.targets.postgres_transaction import (
    PostgresTransaction,
    check_open,
    lost_connections,
    spoiled_transactions,
    transaction_on,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from mink_client.projections.handlers import Function, Hooks
    from mink_client.projections.lease import Lease
    from mink_client.projections.target import Checkpoint
    from mink_client.projections.targets.postgres_transaction import Pooled

T = TypeVar("T")

_log: Final = logging.getLogger("mink_client.projections")

_SCHEMA: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_HOLDER: Final = 2.0
"""Seconds after which a transaction of an older holder is ended, whom the server has given up."""
_LOCKS: Final = 5.0
"""Seconds that setting up or clearing waits for a lock."""
_VIEW_LOCKS: Final = 0.5
"""Seconds that a switch waits for a lock: less than Postgres takes to look for a deadlock, whose victim might be a reader."""
_SWITCHES: Final = 20
_LOCK_NOT_AVAILABLE: Final = "55P03"


class Postgres:
    """A read model in Postgres. The checkpoint is there, too, so that each event is handled exactly once.

    Handlers are `async def`, and get an asyncpg connection inside of a transaction, which they do not end.
    """

    transactional: Final = True

    def __init__(
        self,
        dsn: str | None = None,
        *,
        env: str | None = None,
        schema: str | None = None,
        side_by_side: bool = False,
        max_connections: int | None = None,
        statement_cache_size: int = 100,
    ) -> None:
        """Prepares it; nothing is opened.

        Args:
            dsn: Where Postgres is, as `postgresql://user:password@host:5432/database`. It is never shown.
            env: The environment variable that says so instead; read when a worker begins.
            schema: The read model's schema; made if it is not there, and what handlers find first, before `public`. It is the read
                model's alone: a rebuild in place drops what is in it. Not given: the session's own, and `clear` must be written.
            side_by_side: Keep each build N in a schema `<schema>_bN` of its own, and make views in `schema` for readers, which are
                switched to the next build when it has caught up. Needs `schema`.
            max_connections: Connections at most, 3 or more; not given: one for each partition and two more.
            statement_cache_size: Prepared statements that a connection keeps; 0 behind a pooler that cannot keep them.

        Raises:
            DefinitionError: An argument is wrong, or asyncpg is not installed.
        """
        if schema is not None and (not isinstance(schema, str) or not _SCHEMA.fullmatch(schema) or schema.startswith("pg_")):
            raise DefinitionError("target", "Postgres: schema: at most 40 letters, digits and _, not beginning with a digit or pg_")
        if side_by_side and schema is None:
            raise DefinitionError("target", "Postgres: side_by_side: needs schema")
        self._schema = schema
        self._side_by_side = bool(side_by_side)
        self._tables = Tables(schema)
        self._connections = Connections(dsn, env, max_connections, statement_cache_size)

    def __repr__(self) -> str:
        return f"Postgres({self._connections!r}, schema={self._schema!r}, side_by_side={self._side_by_side})"

    @property
    def can_clear(self) -> bool:
        """With a schema, which is then the read model's alone."""
        return self._schema is not None

    @property
    def can_switch(self) -> bool:
        """With a schema for each build."""
        return self._side_by_side

    def refuses(self, function: Callable[..., Any], *, takes_transaction: bool) -> str | None:
        """A plain function that takes the transaction, which belongs to the event loop."""
        if takes_transaction and not inspect.iscoroutinefunction(function):
            return "is a plain function; with Postgres, handlers and hooks that take the transaction are `async def`"
        return None

    def serve(self, projection: str, partitions: int) -> None:
        """See `Target`."""
        self._connections.serve(projection, partitions)

    async def open(self) -> None:
        """Makes ready to connect.

        Raises:
            DefinitionError: The environment variable is not set, or what it says is no address of a Postgres.
        """
        await self._connections.open()

    async def close(self) -> None:
        """Closes all connections, when it was closed as often as opened."""
        await self._connections.close()

    async def claim(self, lease: Lease, log_id: str, hooks: Hooks) -> Checkpoint | None:
        """See `Target`."""
        async with self._one(lease) as connection:
            async with transaction_on(connection):
                await self._prepare(connection, _LOCKS)
                await self._tables.make(connection)
                found = await self._against_holders(connection, lease, lambda: self._tables.claim(connection, lease, log_id))
                await one_at_a_time(connection, f"mink projection {lease.projection}")
                if found is None and not self._side_by_side and hooks.switch is None:
                    await self._forget_earlier(connection, lease, hooks)
                await self._set_up(connection, lease, hooks)
            if self._side_by_side and lease.build == lease.live_build:
                await self._forget_before(connection, lease)
        return found

    @asynccontextmanager
    async def transaction(self, lease: Lease) -> AsyncIterator[PostgresTransaction]:
        """See `Target`."""
        async with self._connections.one(self._data_schema(lease) or "") as connection, transaction_on(connection):
            with lost_connections(connection):
                position = await self._tables.lock(connection, lease, self._search_path(lease))
            transaction = PostgresTransaction(connection, self._tables, lease, position)
            yield transaction
            if not transaction.moved:
                await _check_whole(connection)

    async def move(self, lease: Lease, position: int) -> None:
        """See `Target`."""
        async with self._one(lease) as connection:
            await self._tables.move(connection, lease, position)

    async def clear(self, lease: Lease, log_id: str, hooks: Hooks) -> None:
        """See `Target`."""
        async with self._one(lease) as connection, transaction_on(connection):
            await self._prepare(connection, _LOCKS)
            await self._tables.make(connection)
            await self._against_holders(connection, lease, lambda: self._tables.clear(connection, lease, log_id))
            await one_at_a_time(connection, f"mink projection {lease.projection}")
            await self._empty(connection, lease, hooks)

    async def _empty(self, connection: Pooled, lease: Lease, hooks: Hooks) -> None:
        """Empties the read model of a build, and sets it up again."""
        if hooks.clear is not None:
            await self._call(connection, lease, hooks.clear)
            await self._set_up(connection, lease, hooks)
        elif self._schema is None:
            raise DefinitionError("clear", "is missing: without it, only a read model with a `schema` can be emptied")
        elif self._side_by_side:
            await builds.make_build(connection, self._schema, lease)
            aside = await builds.set_aside(connection, self._schema, lease)
            await self._set_up(connection, lease, hooks)
            await connection.execute(f"drop schema {quoted(aside)} cascade")
        else:
            other = await self._tables.other_projection(connection, lease.projection)
            if other is not None:
                raise DefinitionError("clear", f"is missing: the schema {self._schema} is also that of projection {other}")
            grants = await builds.grants_in(connection, self._schema)
            await builds.empty(connection, self._schema)
            await self._set_up(connection, lease, hooks)
            await builds.grant(connection, self._schema, grants)
        await _check_whole(connection)

    async def _forget_earlier(self, connection: Pooled, lease: Lease, hooks: Hooks) -> None:
        """Empties a read model that was filled by an earlier build: the projection was deleted, and made again."""
        earlier = await self._tables.earlier(connection, lease)
        if earlier is None:
            return
        _log.warning(
            "%s: the read model is that of build %d, from before the projection was deleted: it is emptied",
            lease.projection,
            earlier,
        )
        await self._tables.forget_earlier(connection, lease)
        await self._empty(connection, lease, hooks)

    async def switch(self, lease: Lease, hooks: Hooks) -> None:
        """See `Target`."""
        for attempt in range(1, _SWITCHES + 1):
            try:
                await self._switch(lease, hooks)
            except Exception as error:
                # A reader's long transaction; others must not wait behind us for it.
                if getattr(error, "sqlstate", None) != _LOCK_NOT_AVAILABLE or attempt == _SWITCHES:
                    raise
                await asyncio.sleep(_VIEW_LOCKS)
            else:
                return

    async def _switch(self, lease: Lease, hooks: Hooks) -> None:
        async with self._one(lease) as connection, transaction_on(connection):
            await self._prepare(connection, _LOCKS)
            await self._tables.make(connection)
            await self._against_holders(connection, lease, lambda: self._tables.fence_all(connection, lease))
            await one_at_a_time(connection, f"mink projection {lease.projection}")
            await self._prepare(connection, _VIEW_LOCKS)
            if hooks.switch is not None:
                await self._call(connection, lease, hooks.switch)
            elif self._schema is None or not self._side_by_side:
                raise DefinitionError("target", "cannot be rebuilt side by side without side_by_side=True, or a `switch` hook")
            else:
                await builds.show_build(connection, self._schema, lease)
            await _check_whole(connection)

    @asynccontextmanager
    async def _one(self, lease: Lease) -> AsyncIterator[Pooled]:
        async with self._connections.one(self._data_schema(lease) or "") as connection:
            with lost_connections(connection):
                yield connection

    async def _prepare(self, connection: Pooled, lock_timeout: float) -> None:
        await connection.execute(f"set local lock_timeout = {lock_timeout * 1000:.0f}", timeout=OWN_TIMEOUT)

    def _data_schema(self, lease: Lease) -> str | None:
        """The schema of the build's tables; None: the session's own."""
        if self._schema is None or not self._side_by_side:
            return self._schema
        return builds.schema_of_build(self._schema, lease.build)

    def _search_path(self, lease: Lease) -> str | None:
        schema = self._data_schema(lease)
        return None if schema is None else f"{quoted(schema)}, public"

    async def _set_up(self, connection: Pooled, lease: Lease, hooks: Hooks) -> None:
        """Has the projection make its tables; shows them to readers, if they are the live build's."""
        if self._side_by_side and self._schema is not None:
            await builds.make_build(connection, self._schema, lease)
        if hooks.setup is not None:
            await self._call(connection, lease, hooks.setup)
        if self._side_by_side and self._schema is not None and lease.build == lease.live_build and hooks.switch is None:
            await builds.show_build(connection, self._schema, lease)
        await _check_whole(connection)

    async def _call(self, connection: Pooled, lease: Lease, hook: Function) -> None:
        path = self._search_path(lease)
        if path is not None:
            await connection.execute("select set_config('search_path', $1, true)", path)
        await hook.in_loop(connection)
        await _check_whole(connection)

    async def _forget_before(self, connection: Pooled, lease: Lease) -> None:
        """Drops what is left of older builds. If somebody is still at it, then another time."""
        assert self._schema is not None
        try:
            async with transaction_on(connection):
                await self._prepare(connection, _VIEW_LOCKS)
                await builds.drop_builds_before(connection, self._schema, lease)
                await self._tables.forget_before(connection, lease)
        except Exception as error:  # noqa: BLE001 - it is no more than a mess
            _log.warning("%s: older builds are not dropped yet: %s", lease.projection, type(error).__name__)

    async def _against_holders(self, connection: Pooled, lease: Lease, fence: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Fences; ends transactions of older holders that take too long, because their worker hangs or is cut off."""
        pid = await connection.fetchval("select pg_backend_pid()", timeout=OWN_TIMEOUT)
        await connection.execute("set local lock_timeout = 0", timeout=OWN_TIMEOUT)
        task = asyncio.ensure_future(fence())
        end = asyncio.get_running_loop().time() + OWN_TIMEOUT
        try:
            while asyncio.get_running_loop().time() < end:
                done, _ = await asyncio.wait({task}, timeout=_HOLDER)
                if done:
                    await self._prepare(connection, _LOCKS)
                    return task.result()
                await self._end_holders(pid, lease)
            raise Transient("a transaction of an earlier holder of the partition does not end")
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=OWN_TIMEOUT)

    async def _end_holders(self, pid: int, lease: Lease) -> None:
        async with self._connections.one() as connection:
            if await self._tables.is_over(connection, lease):
                raise LeaseLost
            sql = "select pg_terminate_backend(holder) from unnest(pg_blocking_pids($1)) as holder where holder > 0"
            try:
                ended = await connection.fetch(sql, pid, timeout=OWN_TIMEOUT)
            except Exception as error:  # noqa: BLE001 - it may belong to another role: then there is nothing but to wait
                _log.warning("%s: an older holder's transaction goes on: %s", lease.projection, type(error).__name__)
            else:
                if ended:
                    _log.warning("%s: partition %d: ended an older holder's transaction", lease.projection, lease.partition)


async def _check_whole(connection: Pooled) -> None:
    """Finds out whether a hook or handler has ended or broken the transaction."""
    with spoiled_transactions():
        await connection.execute("select 1", timeout=OWN_TIMEOUT)
    check_open(connection)
