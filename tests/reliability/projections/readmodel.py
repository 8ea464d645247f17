"""The projections of these tests, which worker processes run: each counts and sums per stream and per type, and keeps every event
in the order in which it applied it, with the process that did.

`disorders` counts, per stream, the events that did not follow the one before.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mink_client.projections import Postgres, Projection, SQLite, handles, handles_batch
from mink_client.worker import call

from tests.reliability.projections import behaviour
from tests.reliability.projections.behaviour import PARTITIONS, PID, logged
from tests.reliability.projections.writers import POISON

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from mink_client import RecordedEvent

if os.environ.get("READ_MODEL_DEAF"):
    # A worker that does not notice that nobody speaks to it any more: as if its clock stood still.
    call._SILENCE = math.inf  # type: ignore[misc]

REVISION = int(os.environ.get("READ_MODEL_REVISION", "1"))
ON_POISON = os.environ.get("READ_MODEL_ON_POISON", "stop")
MODE = os.environ.get("READ_MODEL_ON_NEW_REVISION", "in_place")

_TABLES = """
create table if not exists applied (
    number {number}, position bigint not null, stream text not null, version bigint not null, type text not null,
    amount bigint not null, worker bigint not null, revision int not null
);
create table if not exists by_stream (
    stream text primary key, events bigint not null, amount bigint not null, version bigint not null,
    disorders bigint not null default 0
);
create table if not exists by_type (type text primary key, events bigint not null, amount bigint not null);
"""
POSTGRES_TABLES = _TABLES.format(number="bigserial primary key")
SQLITE_TABLES = _TABLES.format(number="integer primary key autoincrement")

# The same in both, with their own placeholders.
_APPLY = "insert into applied (position, stream, version, type, amount, worker, revision) values ({})"
_BY_STREAM = """
insert into by_stream as old (stream, events, amount, version) values ({})
on conflict (stream) do update set
    events = old.events + 1, amount = old.amount + excluded.amount, version = excluded.version,
    disorders = old.disorders + case when excluded.version = old.version + 1 then 0 else 1 end
"""
_BY_TYPE = """
insert into by_type as old (type, events, amount) values ({})
on conflict (type) do update set events = old.events + excluded.events, amount = old.amount + excluded.amount
"""


def _rows(events: Sequence[RecordedEvent]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """What a batch writes: statements, and the parameters of each execution."""
    them = [logged(event) for event in events]
    types: dict[str, list[int]] = defaultdict(list)
    for one in them:
        types[one.type].append(one.amount)
    return [
        (_APPLY, [(*one, PID, REVISION) for one in them]),
        (_BY_STREAM, [(one.stream, 1, one.amount, one.version) for one in them]),
        # Partitions share these: in one order, they wait for each other, and do not deadlock.
        (_BY_TYPE, [(name, len(amounts), sum(amounts)) for name, amounts in sorted(types.items())]),
    ]


class _Counts(Projection):
    name = "Counts"
    categories = ("Stream",)
    revision = REVISION
    partitions = PARTITIONS
    on_poison = ON_POISON
    on_new_revision = MODE


class _InPostgres(_Counts):
    target = Postgres(
        env="READ_MODEL_URL",
        schema=os.environ.get("READ_MODEL_SCHEMA", "counts"),
        side_by_side=bool(os.environ.get("READ_MODEL_SIDE_BY_SIDE")),
    )

    async def setup(self, tx: Any) -> None:
        await tx.execute(POSTGRES_TABLES)

    async def _write(self, events: Sequence[RecordedEvent], tx: Any) -> None:
        with behaviour.span(events):
            for statement, rows in _rows(events):
                marks = ", ".join(f"${number}" for number in range(1, len(rows[0]) + 1))
                await tx.executemany(statement.format(marks), rows)
            behaviour.fail(events)
            await behaviour.dawdle(events)  # with rows written and locked


class PostgresCounts(_InPostgres):
    """In Postgres, batch by batch."""

    @handles_batch
    async def apply(self, events: Sequence[RecordedEvent], tx: Any) -> None:
        await self._write(events, tx)


class PostgresByType(_InPostgres):
    """In Postgres, with handlers that take one event each."""

    @handles("Opened", "Changed")
    async def one(self, event: RecordedEvent, tx: Any) -> None:
        await self._write([event], tx)

    @handles("Closed", POISON)
    async def other(self, event: RecordedEvent, tx: Any) -> None:
        await self._write([event], tx)


class SQLiteCounts(_Counts):
    """In a file of SQLite."""

    target = SQLite(os.environ.get("READ_MODEL_FILE", "counts.db"))

    def setup(self, tx: sqlite3.Connection) -> None:
        for statement in SQLITE_TABLES.split(";"):
            tx.execute(statement)

    @handles_batch
    def apply(self, events: Sequence[RecordedEvent], tx: sqlite3.Connection) -> None:
        with behaviour.span(events):
            for statement, rows in _rows(events):
                tx.executemany(statement.format(", ".join("?" * len(rows[0]))), rows)
            behaviour.fail(events)
            behaviour.dawdle_here(events)

    def clear(self, tx: sqlite3.Connection) -> None:
        for table in ("applied", "by_stream", "by_type"):
            tx.execute(f"delete from {table}")


class FileCounts(_Counts):
    """In files, which know no transactions: at least once."""

    @handles_batch
    async def apply(self, events: Sequence[RecordedEvent], tx: Any) -> None:
        with behaviour.span(events):
            behaviour.fail(events)
            for event in events:
                await behaviour.dawdle([event])
                behaviour.write("applied", event=logged(event))
