"""Mink's own tables in a file of SQLite. Everything here runs in the target's thread; what writes, in a transaction."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from mink_client.projections.target import Checkpoint, LeaseLost

if TYPE_CHECKING:
    from mink_client.projections.lease import Lease

_TABLES: Final = (
    """create table if not exists mink_checkpoints (
        projection text not null,
        build integer not null,
        partition integer not null,
        position integer, -- null: it has not begun
        token integer not null,
        log_id text not null,
        updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ')),
        primary key (projection, build, partition)
    ) without rowid""",
    """create table if not exists mink_replayed (
        projection text not null,
        build integer not null,
        position integer not null,
        primary key (projection, build, position)
    ) without rowid""",
)
_LOOK_EVERY: Final = 0.001
"""Seconds between two looks whether the file is free."""
_ROW: Final = "projection = ? and build = ? and partition = ?"
_MOVE: Final = f"""update mink_checkpoints set position = ?, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ')
    where {_ROW} and token = ?"""  # noqa: S608 - no value is in it


def make(connection: sqlite3.Connection) -> None:
    """Makes the tables, if they are not there.

    Args:
        connection: In a transaction.
    """
    for table in _TABLES:
        connection.execute(table)


def begin(connection: sqlite3.Connection, patience: float) -> None:
    """Begins a transaction, the only one that writes.

    SQLite itself looks ever more seldom whether it can have the file. Somebody who writes all the time would keep others out.

    Args:
        connection: Not in a transaction.
        patience: Seconds to wait for another process that writes.
    """
    end = time.monotonic() + patience
    connection.execute("pragma busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("begin immediate")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
            else:
                return
            time.sleep(_LOOK_EVERY)
    finally:
        connection.execute(f"pragma busy_timeout = {patience * 1000:.0f}")


def position(connection: sqlite3.Connection, lease: Lease) -> int | None:
    """Where the read model stands; None: it has not begun.

    Args:
        connection: In a transaction.
        lease: The lease.

    Raises:
        LeaseLost: It is over.
    """
    row = _one(connection, f"select position from mink_checkpoints where {_ROW} and token = ?", *_row(lease), lease.token)  # noqa: S608
    if row is None:
        raise LeaseLost
    found: int | None = row[0]
    return found


def move(connection: sqlite3.Connection, lease: Lease, to: int) -> None:
    """Moves the checkpoint.

    Args:
        connection: In a transaction, or not.
        lease: The lease.
        to: The position.

    Raises:
        LeaseLost: It is over.
    """
    if connection.execute(_MOVE, (to, *_row(lease), lease.token)).rowcount != 1:
        raise LeaseLost


def claim(connection: sqlite3.Connection, lease: Lease, log_id: str) -> Checkpoint | None:
    """Fences; answers with where the read model stands, None: it has not begun.

    Args:
        connection: In a transaction.
        lease: The lease.
        log_id: The log, for one that has not begun.

    Raises:
        LeaseLost: There is a greater token.
    """
    row = _one(connection, f"select position, token, log_id from mink_checkpoints where {_ROW}", *_row(lease))  # noqa: S608
    if row is None:
        _insert(connection, lease, lease.partition, log_id)
        return None
    if row[1] > lease.token:
        raise LeaseLost
    connection.execute(f"update mink_checkpoints set token = ? where {_ROW}", (lease.token, *_row(lease)))  # noqa: S608
    if row[0] is None:
        connection.execute(f"update mink_checkpoints set log_id = ? where {_ROW}", (log_id, *_row(lease)))  # noqa: S608
        return None
    return Checkpoint(row[0], row[2])


def forget_earlier(connection: sqlite3.Connection, lease: Lease) -> int | None:
    """Forgets all builds before that of the lease; answers with the last of them, None: there is none.

    Args:
        connection: In a transaction.
        lease: The lease, on the only build that there should be.

    Raises:
        LeaseLost: There is a later one.
    """
    of = (lease.projection, lease.build)
    if _one(connection, "select 1 from mink_checkpoints where projection = ? and build > ?", *of) is not None:
        raise LeaseLost
    row = _one(connection, "select max(build) from mink_checkpoints where projection = ? and build < ?", *of)
    connection.execute("delete from mink_checkpoints where projection = ? and build < ?", of)
    connection.execute("delete from mink_replayed where projection = ? and build < ?", of)
    build: int | None = row[0] if row else None
    return build


def clear(connection: sqlite3.Connection, lease: Lease, log_id: str) -> None:
    """Sets all partitions of a build back, with the lease's token as fence.

    Args:
        connection: In a transaction.
        lease: The lease.
        log_id: The log from which it will be filled.

    Raises:
        LeaseLost: There is a greater token.
    """
    build = (lease.projection, lease.build)
    _refuse(connection, lease, "build = ?", lease.build)
    connection.execute(
        "delete from mink_checkpoints where projection = ? and build = ? and partition < ?", (*build, lease.partitions)
    )
    connection.execute(
        "update mink_checkpoints set position = null, token = ?, log_id = ? where projection = ? and build = ?",
        (lease.token, log_id, *build),
    )
    for partition in range(lease.partitions):
        _insert(connection, lease, partition, log_id)
    connection.execute("delete from mink_replayed where projection = ? and build = ?", build)


def switch(connection: sqlite3.Connection, lease: Lease) -> None:
    """Fences all builds up to that of the lease.

    Args:
        connection: In a transaction.
        lease: The lease.

    Raises:
        LeaseLost: There is a greater token.
    """
    _refuse(connection, lease, "build <= ?", lease.build)
    connection.execute(
        "update mink_checkpoints set token = ? where projection = ? and build <= ?", (lease.token, lease.projection, lease.build)
    )


def replayed(connection: sqlite3.Connection, lease: Lease, at: int) -> bool:
    """Notes that a parked event is handled; answers whether that had been noted already.

    Args:
        connection: In a transaction.
        lease: The lease.
        at: The event's position.
    """
    sql = "insert into mink_replayed (projection, build, position) values (?, ?, ?) on conflict do nothing"
    return connection.execute(sql, (lease.projection, lease.build, at)).rowcount == 0


def _row(lease: Lease) -> tuple[str, int, int]:
    return lease.projection, lease.build, lease.partition


def _one(connection: sqlite3.Connection, sql: str, *args: object) -> tuple[Any, ...] | None:
    cursor = connection.cursor()
    cursor.row_factory = None  # whatever a handler has set on the connection
    row: tuple[Any, ...] | None = cursor.execute(sql, args).fetchone()
    return row


def _insert(connection: sqlite3.Connection, lease: Lease, partition: int, log_id: str) -> None:
    connection.execute(
        "insert into mink_checkpoints (projection, build, partition, token, log_id) values (?, ?, ?, ?, ?)",
        (lease.projection, lease.build, partition, lease.token, log_id),
    )


def _refuse(connection: sqlite3.Connection, lease: Lease, condition: str, build: int) -> None:
    sql = f"select 1 from mink_checkpoints where projection = ? and {condition} and token > ?"  # noqa: S608
    if _one(connection, sql, lease.projection, build, lease.token) is not None:
        raise LeaseLost
