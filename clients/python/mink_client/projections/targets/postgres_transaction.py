"""A transaction in Postgres: what it may not do unseen, how it ends, and what the errors around it mean."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from mink_client.projections.policies import Transient
from mink_client.projections.target import LeaseLost, TransactionSpoiled
from mink_client.projections.targets.postgres_tables import OWN_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

    from mink_client.projections.handlers import Work
    from mink_client.projections.lease import Lease
    from mink_client.projections.targets.postgres_tables import Tables

    Pooled = PoolConnectionProxy[Record]

_ROLLBACK: Final = 10.0
"""Seconds."""
_IN_FAILED_TRANSACTION: Final = "25P02"


class PostgresTransaction:
    """A transaction under a lease; see `Transaction`."""

    def __init__(self, connection: Pooled, tables: Tables, lease: Lease, position: int | None) -> None:
        """Begun, and the checkpoint's row is locked.

        Args:
            connection: Its connection.
            tables: Mink's tables.
            lease: The lease.
            position: Where the read model stands.
        """
        self.position: Final = position
        self.moved = False
        self._connection = connection
        self._tables = tables
        self._lease = lease

    @property
    def usable(self) -> bool:
        """See `Transaction`."""
        return not is_gone(self._connection) and self._connection.is_in_transaction()

    async def run(self, work: Work) -> None:
        """See `Transaction`."""
        with lost_connections(self._connection):
            await work.in_loop(self._connection)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """See `Transaction`."""
        connection = self._connection
        with self._own():
            await connection.execute("savepoint mink_event", timeout=OWN_TIMEOUT)
        try:
            yield
            check_open(connection)
            with self._own():
                await connection.execute("release savepoint mink_event", timeout=OWN_TIMEOUT)
        except BaseException:
            if self.usable:
                with self._own():
                    await connection.execute("rollback to savepoint mink_event", timeout=OWN_TIMEOUT)
            raise

    async def replayed(self, position: int) -> bool:
        """See `Transaction`."""
        with self._own():
            return await self._tables.replayed(self._connection, self._lease, position)

    async def move(self, position: int) -> None:
        """See `Transaction`."""
        check_open(self._connection)
        with self._own():
            await self._tables.move(self._connection, self._lease, position)
        self.moved = True

    @contextlib.contextmanager
    def _own(self) -> Iterator[None]:
        """Around the library's own statements."""
        with lost_connections(self._connection), spoiled_transactions():
            yield


@asynccontextmanager
async def transaction_on(connection: Pooled) -> AsyncIterator[None]:
    """A transaction that is committed at the end, whole, also if its task is cancelled meanwhile; or rolled back.

    A handler that catches an error of the database and goes on leaves a transaction that Postgres rolls back when told to commit,
    without a word. So the last statement before the end must be one of the library's, which fails then.

    Args:
        connection: The connection.

    Raises:
        Transient: The connection was lost.
    """
    transaction = connection.transaction(isolation="read_committed")
    with lost_connections(connection):
        async with asyncio.timeout(OWN_TIMEOUT):
            await transaction.start()
    try:
        yield
        with lost_connections(connection):
            await _to_the_end(asyncio.ensure_future(transaction.commit()), connection)
    except BaseException:
        if not is_gone(connection):
            with contextlib.suppress(Exception):  # then the pool does it
                async with asyncio.timeout(_ROLLBACK):
                    await transaction.rollback()
        raise


async def _to_the_end(commit: asyncio.Future[None], connection: Pooled) -> None:
    cancelled = False
    end = asyncio.get_running_loop().time() + OWN_TIMEOUT
    while not commit.done():
        try:
            left = end - asyncio.get_running_loop().time()
            await asyncio.wait({commit}, timeout=max(0.0, left))
        except asyncio.CancelledError:
            cancelled = True
            continue
        if not commit.done() and not is_gone(connection):
            connection.terminate()
            end += OWN_TIMEOUT
    error = None if commit.cancelled() else commit.exception()
    if cancelled:
        raise asyncio.CancelledError
    if error is not None:
        raise error


def is_gone(connection: Pooled) -> bool:
    """Whether a connection is lost.

    Args:
        connection: The connection.
    """
    try:
        return connection.is_closed()
    except Exception:  # noqa: BLE001 - asyncpg's, when the pool has noticed, too
        return True


def check_open(connection: Pooled) -> None:
    """Checks that there still is a transaction.

    Args:
        connection: The connection.

    Raises:
        TransactionSpoiled: A handler has ended it.
    """
    if not is_gone(connection) and not connection.is_in_transaction():
        raise TransactionSpoiled("a handler has ended the transaction that it was given")


@contextlib.contextmanager
def spoiled_transactions() -> Iterator[None]:
    """Says what is the matter when a transaction turns out to be broken."""
    try:
        yield
    except Exception as error:
        if getattr(error, "sqlstate", None) == _IN_FAILED_TRANSACTION:
            raise TransactionSpoiled(
                "a handler has caught an error of the database and gone on; use a savepoint for that"
            ) from None
        raise


@contextlib.contextmanager
def lost_connections(connection: Pooled) -> Iterator[None]:
    """Tells a connection that was lost from an error of the code's, which asyncpg does not always do.

    Args:
        connection: The connection.
    """
    from asyncpg.exceptions import InvalidCachedStatementError, OutdatedSchemaCacheError  # noqa: PLC0415

    try:
        yield
    except (LeaseLost, Transient):
        raise
    except (InvalidCachedStatementError, OutdatedSchemaCacheError) as error:
        raise Transient("tables have changed meanwhile") from error
    except Exception as error:
        if is_gone(connection):
            raise Transient(f"the connection to the read model's database was lost ({type(error).__name__})") from error
        raise
