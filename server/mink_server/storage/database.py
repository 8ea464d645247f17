"""Connections to Postgres: a pool for reading, and single ones for those who need their own. Each comes back by itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, cast

import asyncpg
import structlog
from asyncpg.connect_utils import SessionAttribute

from mink_server.core.errors import DatabaseUnavailableError
from mink_server.storage.errors import DATABASE_ERRORS, translate, unavailable
from mink_server.storage.hosts import hosts_of
from mink_server.storage.statements import text
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

log = structlog.get_logger(__name__)

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


class _PooledConnection(asyncpg.Connection):
    """A connection that is not reset between uses: readers leave nothing behind, and a reset is a round trip."""

    def get_reset_query(self) -> str:
        return ""


async def _prepare_reader(connection: Any) -> None:
    await connection.execute(text("prepare_reader"))


@contextmanager
def cut_after(connection: asyncpg.Connection[Any], seconds: float) -> Iterator[None]:
    """Cuts the connection if what is done over it takes longer; a TimeoutError then.

    asyncpg's own timeouts tell Postgres to cancel. A commit that waits for a standby and is cancelled stands, on the primary
    alone, for everybody to see. One whose client is gone goes on waiting.
    """
    late = False

    def cut() -> None:
        nonlocal late
        late = True
        connection.terminate()

    timer = asyncio.get_running_loop().call_later(seconds, cut)
    try:
        yield
    except DATABASE_ERRORS as error:
        if late:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()


class Database:
    """One Postgres database, by its DSN. Of several hosts in it, the one that takes writes is used.

    Args:
        dsn: A libpq connection string.
        pool_size: Connections for reading, at most. Those that `connect` gives come on top.
        timeout: Seconds that a reader waits for a connection, a statement, or the database's return.
        statement_cache: Prepared statements kept per connection; 0 behind a pgbouncer that does not know them.
    """

    def __init__(self, dsn: str, *, pool_size: int = 8, timeout: float = 10.0, statement_cache: int = 100) -> None:
        self._dsn = dsn
        self._hosts = hosts_of(dsn)  # the one that took writes last goes first
        self._pool_size = pool_size
        self._timeout = timeout
        self._statement_cache = statement_cache
        self._pool: asyncpg.Pool[Any] | None = None

    async def open(self) -> None:
        """Makes the pool. Connections are opened when they are needed.

        Raises:
            DatabaseUnavailableError: The DSN cannot be used.
        """
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=self._pool_size,
                connect=cast("Any", self._connect),
                command_timeout=self._timeout,
                timeout=self._timeout,
                statement_cache_size=self._statement_cache,
                max_inactive_connection_lifetime=300,
                connection_class=_PooledConnection,
                init=_prepare_reader,
                target_session_attrs=SessionAttribute.read_write,
                server_settings={"application_name": "mink"},
            )
        except Exception as error:
            raise translate(error) from error
        metrics.POOL_SIZE.set(self._pool_size)

    async def close(self) -> None:
        """Closes the pool; a connection that does not close in time is cut."""
        if self._pool is not None:
            with suppress(*DATABASE_ERRORS):
                async with asyncio.timeout(2):
                    await self._pool.close()
            self._pool.terminate()

    async def connect(self) -> asyncpg.Connection[Any]:
        """A connection of the caller's own, which the caller closes. Raises what asyncpg raises."""
        connection: asyncpg.Connection[Any] = await self._connect(
            timeout=self._timeout,
            statement_cache_size=self._statement_cache,
            target_session_attrs=SessionAttribute.read_write,
            server_settings={"application_name": "mink"},
        )
        return connection

    async def _connect(self, _dsn: str = "", *, timeout: float, **options: Any) -> Any:
        """A connection to the first host that takes writes. One that does not answer costs its share of the time.

        asyncpg can look through the hosts as well, but waits for the first that is silent, as a machine without power is.
        """
        hosts = list(self._hosts)
        reasons: list[BaseException] = []
        for host in hosts:
            try:
                connection = await asyncpg.connect(host.dsn, timeout=timeout / len(hosts), **options)
            except DATABASE_ERRORS as error:
                reasons.append(error)
                continue
            if host != self._hosts[0]:
                log.warning("another host of the database takes the writes", host=host.name)
                self._hosts.remove(host)
                self._hosts.insert(0, host)
            return connection
        # What a host said is worth more than that another one is silent.
        raise next((error for error in reasons if not isinstance(error, OSError)), reasons[-1])

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[Any]]:
        """A connection of the pool, for a moment.

        Raises:
            MinkError: The database failed.
        """
        if self._pool is None:
            raise DatabaseUnavailableError
        metrics.POOL_WAITING.inc()
        waiting = True
        try:
            async with self._pool.acquire(timeout=self._timeout) as connection:
                metrics.POOL_WAITING.dec()
                waiting = False
                with metrics.POOL_IN_USE.track_inprogress():
                    yield connection
        except DATABASE_ERRORS as error:
            raise translate(error) from error
        finally:
            if waiting:
                metrics.POOL_WAITING.dec()

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """The rows of a statement that only reads. It is tried again while the database is away, for `timeout` seconds.

        Raises:
            MinkError: The database failed, or stayed away.
        """
        end = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self.connection() as connection:
                    return await connection.fetch(query, *args)
            except DatabaseUnavailableError:
                if time.monotonic() + pause > end:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def fetchrow(self, query: str, *args: object) -> Any:
        """The first row of a statement that only reads, or None; otherwise as `fetch`."""
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None


class Backoff:
    """How long to wait before the next try, in seconds: doubling, up to two seconds."""

    def __init__(self) -> None:
        self._pause = _FIRST_PAUSE

    async def wait(self) -> None:
        """Waits."""
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


class OwnConnection:
    """A connection that one user keeps and that is opened again when it was lost.

    Args:
        database: Where to.
        user: Who keeps it, for logs and metrics. Example: writer.
    """

    def __init__(self, database: Database, user: str) -> None:
        self._database = database
        self._user = user
        self._opening = asyncio.Lock()
        # What a new connection needs before it is used.
        self.prepare: Callable[[asyncpg.Connection[Any]], Awaitable[None]] | None = None
        self._connection: asyncpg.Connection[Any] | None = None
        self._was_open = False

    async def get(self) -> asyncpg.Connection[Any]:
        """The connection, opened if it is not. Raises what asyncpg raises."""
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                connection = await self._database.connect()
                try:
                    if self.prepare is not None:
                        await self.prepare(connection)
                except BaseException:
                    connection.terminate()
                    raise
                self._connection = connection
                if self._was_open:
                    metrics.RECONNECTS.labels(self._user).inc()
                    log.info("connected to the database again", user=self._user)
                self._was_open = True
            return self._connection

    def drop(self, error: BaseException) -> None:
        """Cuts the connection, so that `get` opens another; says why in the log."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            known = unavailable(error)
            log.warning("database connection lost", user=self._user, why=str(known) if known else type(error).__name__)

    def cut(self) -> None:
        """Cuts the connection, if there is one. Whoever waits for it gets an error."""
        if self._connection is not None:
            self._connection.terminate()

    async def close(self) -> None:
        """Closes it; cuts it if that takes too long."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*DATABASE_ERRORS):
                await connection.close(timeout=1)
