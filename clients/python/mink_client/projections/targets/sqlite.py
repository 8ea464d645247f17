"""A read model in SQLite: one thread, one connection, and the checkpoint in the same file."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mink_client.projections.handlers import in_thread
from mink_client.projections.problems import DefinitionError
from mink_client.projections.target import Checkpoint, LeaseLost, TransactionSpoiled
from mink_client.projections.targets import sqlite_tables as tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mink_client.projections.handlers import Function, Hooks, Work
    from mink_client.projections.lease import Lease

T = TypeVar("T")

_log: Final = logging.getLogger("mink_client.projections")

_GAP: Final = 0.05
"""The part of a transaction's time for which the file is left to other processes after it."""
_LONGEST_GAP: Final = 0.005
"""Seconds; some times what others need to notice."""
_SPOILED: Final = (
    "a handler has ended the transaction: `commit()`, `rollback()`, `executescript()` and `with connection:` do that; "
    "leave them out, and use `execute()`"
)


class SQLite:
    """A read model in a file of SQLite. The checkpoint is in it, too, so that each event is handled exactly once.

    Handlers are plain functions, and get the `sqlite3.Connection`, inside of a transaction. They run in the target's own thread.
    They end no transaction. Partitions in one process take turns; so do processes, which must be on one machine.
    """

    transactional: Final = True
    can_clear: Final = False
    can_switch: Final = False

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 5.0) -> None:
        """Prepares it; nothing is opened.

        Args:
            path: The file. It is made if it is not there; its folder is not.
            busy_timeout: Seconds to wait for another process that writes.

        Raises:
            DefinitionError: An argument is wrong.
        """
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise DefinitionError("target", "SQLite: path: the path of a file")
        if isinstance(busy_timeout, bool) or not isinstance(busy_timeout, int | float) or not 0 <= busy_timeout <= 3600:
            raise DefinitionError("target", f"SQLite: busy_timeout: 0 to 3600 seconds, not {busy_timeout!r}")
        self._path = os.fspath(path)
        self._busy_timeout = busy_timeout
        self._opened = 0
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()  # a new one for each event loop in which it is opened

    def __repr__(self) -> str:
        return f"SQLite({self._path!r})"

    def refuses(self, function: Callable[..., Any], *, takes_transaction: bool) -> str | None:  # noqa: ARG002
        """`async def`: the connection belongs to a thread."""
        if inspect.iscoroutinefunction(function):
            return "is `async def`; with SQLite, handlers and hooks are plain functions (`def`), which run in a thread of their own"
        return None

    def serve(self, projection: str, partitions: int) -> None:
        """Nothing is to be prepared."""

    async def open(self) -> None:
        """Opens the file.

        Raises:
            DefinitionError: It cannot be opened.
        """
        if self._thread is None:
            self._turn = asyncio.Lock()
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="mink-sqlite")
        async with self._turn:
            if self._connection is None:
                try:
                    await self._do(self._connect)
                except BaseException as error:
                    await self._let_go()
                    if isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF in _UNUSABLE:
                        raise DefinitionError("target", f"{self._path}: {error}") from error
                    raise
            self._opened += 1

    async def close(self) -> None:
        """Closes the file, when it was closed as often as opened."""
        async with self._turn:
            self._opened = max(0, self._opened - 1)
            if self._opened == 0:
                await self._let_go()

    async def _let_go(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await in_thread(self._disconnect, executor=thread)
            thread.shutdown(wait=False)

    def _connect(self) -> None:
        connection = sqlite3.connect(self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False)
        self._connection = connection
        connection.execute("pragma journal_mode = wal")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def claim(self, lease: Lease, log_id: str, hooks: Hooks) -> Checkpoint | None:
        """See `Target`."""
        async with self._hook_transaction() as connection:
            found = await self._do(tables.claim, connection, lease, log_id)
            if found is None and hooks.switch is None:
                await self._forget_earlier(connection, lease, hooks)
            await self._call(hooks.setup)
        return found

    async def _forget_earlier(self, connection: sqlite3.Connection, lease: Lease, hooks: Hooks) -> None:
        """Empties a read model that was filled by an earlier build: the projection was deleted, and made again."""
        earlier = await self._do(tables.forget_earlier, connection, lease)
        if earlier is None:
            return
        if hooks.clear is None:
            raise DefinitionError(
                "clear", f"is missing: the read model is that of build {earlier}, from before the projection was deleted"
            )
        _log.warning(
            "%s: the read model is that of build %d, from before the projection was deleted: it is emptied",
            lease.projection,
            earlier,
        )
        await self._call(hooks.clear)

    @asynccontextmanager
    async def transaction(self, lease: Lease) -> AsyncIterator[SQLiteTransaction]:
        """See `Target`."""
        async with self._transaction() as connection:
            position = await self._do(tables.position, connection, lease)
            yield SQLiteTransaction(self, lease, position)

    async def move(self, lease: Lease, position: int) -> None:
        """See `Target`."""
        connection = self._open_connection()
        async with self._turn:
            await self._do(tables.move, connection, lease, position)

    async def clear(self, lease: Lease, log_id: str, hooks: Hooks) -> None:
        """See `Target`."""
        if hooks.clear is None:
            raise DefinitionError("clear", "is missing: without it, a read model in SQLite cannot be rebuilt in place")
        async with self._hook_transaction() as connection:
            await self._do(tables.clear, connection, lease, log_id)
            await self._call(hooks.clear)
            await self._call(hooks.setup)

    async def switch(self, lease: Lease, hooks: Hooks) -> None:
        """See `Target`."""
        if hooks.switch is None:
            raise DefinitionError("switch", "is missing: without it, a read model in SQLite cannot be rebuilt side by side")
        async with self._hook_transaction() as connection:
            await self._do(tables.switch, connection, lease)
            await self._call(hooks.switch)

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError(f"{self!r} is not open")
        return self._connection

    async def _do(self, act: Callable[..., T], *args: Any, stop: Callable[[], None] | None = None) -> T:
        if self._thread is None:
            raise RuntimeError(f"{self!r} is not open")
        return await in_thread(act, *args, executor=self._thread, stop=stop)

    async def _call(self, hook: Function | None) -> None:
        if hook is not None:
            connection = self._open_connection()
            await self._do(hook.in_thread, connection, stop=connection.interrupt)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[sqlite3.Connection]:
        connection = self._open_connection()
        async with self._turn:
            try:
                await self._do(tables.begin, connection, self._busy_timeout)
                began = time.monotonic()
                yield connection
                await self._do(_commit, connection)
            except BaseException:
                # Also after a commit that went through while its task was cancelled: then there is nothing to take back.
                await self._do(_roll_back, connection)
                raise
            # Another process that waits gets its turn now, or never if this one has always more to do.
            await asyncio.sleep(min((time.monotonic() - began) * _GAP, _LONGEST_GAP))

    @asynccontextmanager
    async def _hook_transaction(self) -> AsyncIterator[sqlite3.Connection]:
        async with self._transaction() as connection:
            await self._do(tables.make, connection)
            yield connection


class SQLiteTransaction:
    """A transaction in SQLite; see `Transaction`."""

    def __init__(self, target: SQLite, lease: Lease, position: int | None) -> None:
        """Begun.

        Args:
            target: Where.
            lease: The lease.
            position: Where the read model stands.
        """
        self.position: Final = position
        self._target = target
        self._lease = lease
        self._connection = target._open_connection()

    @property
    def usable(self) -> bool:
        """See `Transaction`."""
        return self._connection.in_transaction

    async def run(self, work: Work) -> None:
        """See `Transaction`: all of it in one go."""

        def stop() -> None:
            work.stop()
            self._connection.interrupt()

        await self._target._do(work.in_thread, self._connection, stop=stop)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """See `Transaction`."""
        do, connection = self._target._do, self._connection
        await do(_execute, connection, "savepoint mink_event")
        try:
            yield
            await do(_check, connection)
        except BaseException:
            if connection.in_transaction:
                await do(_execute, connection, "rollback to mink_event")
                await do(_execute, connection, "release mink_event")
            raise
        await do(_execute, connection, "release mink_event")

    async def replayed(self, position: int) -> bool:
        """See `Transaction`."""
        return await self._target._do(tables.replayed, self._connection, self._lease, position)

    async def move(self, position: int) -> None:
        """See `Transaction`."""
        await self._target._do(_move, self._connection, self._lease, position)


# In the thread.

_UNUSABLE: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT})


def _execute(connection: sqlite3.Connection, sql: str) -> None:
    connection.execute(sql)


def _check(connection: sqlite3.Connection) -> None:
    if not connection.in_transaction:
        raise TransactionSpoiled(_SPOILED)


def _commit(connection: sqlite3.Connection) -> None:
    _check(connection)
    connection.execute("commit")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("rollback")


def _move(connection: sqlite3.Connection, lease: Lease, position: int) -> None:
    _check(connection)
    tables.move(connection, lease, position)


__all__ = ["LeaseLost", "SQLite", "SQLiteTransaction"]
