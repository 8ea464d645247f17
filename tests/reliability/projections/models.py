"""Reads what the workers wrote: the read models, and when handlers were at what."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import asyncpg

from tests.reliability.projections.judge import Applied, Line, Logged, Span, Sums

if TYPE_CHECKING:
    from pathlib import Path

_APPLIED = "select position, stream, version, type, amount, worker from applied order by number"
_BY_STREAM = "select stream, events, amount, version, disorders from by_stream"
_BY_TYPE = "select type, events, amount from by_type"


class Model(Protocol):
    """A read model."""

    async def applied(self) -> list[Applied]:
        """What was applied, in order."""

    async def sums(self) -> Sums | None:
        """Its sums; None: it keeps none."""


class PostgresModel:
    """A read model in a schema of Postgres."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.dsn = dsn
        self.schema = schema

    async def fetch(self, query: str) -> list[asyncpg.Record]:
        """The rows of a query in the schema; none as long as the tables are not there."""
        connection = await asyncpg.connect(self.dsn, timeout=20, server_settings={"search_path": self.schema})
        try:
            return await connection.fetch(query, timeout=20)
        except asyncpg.UndefinedTableError:
            return []
        finally:
            await connection.close(timeout=10)

    async def execute(self, sql: str) -> None:
        """Runs statements in the schema."""
        connection = await asyncpg.connect(self.dsn, timeout=20, server_settings={"search_path": self.schema})
        try:
            await connection.execute(sql, timeout=20)
        finally:
            await connection.close(timeout=10)

    async def applied(self) -> list[Applied]:
        """See Model."""
        return [_applied(row) for row in await self.fetch(_APPLIED)]

    async def sums(self) -> Sums:
        """See Model."""
        return Sums(_lines(await self.fetch(_BY_STREAM)), _lines(await self.fetch(_BY_TYPE)))


class SQLiteModel:
    """A read model in a file of SQLite."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def fetch(self, query: str) -> list[tuple]:
        """The rows of a query; none as long as the tables are not there."""
        return await asyncio.to_thread(self._fetch, query)

    def _fetch(self, query: str) -> list[tuple]:
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def execute(self, sql: str) -> None:
        """Runs statements."""
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            connection.executescript(sql)

    async def applied(self) -> list[Applied]:
        """See Model."""
        return [_applied(row) for row in await self.fetch(_APPLIED)]

    async def sums(self) -> Sums:
        """See Model."""
        return Sums(_lines(await self.fetch(_BY_STREAM)), _lines(await self.fetch(_BY_TYPE)))


class FileModel:
    """What FileCounts wrote: a file for each process. Their lines are put in order by when the handlers were at them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def applied(self) -> list[Applied]:
        """See Model."""
        found = []
        for file in self.folder.glob("applied-*.jsonl"):
            worker = int(file.stem.partition("-")[2])
            found += [(line["at"], Applied(Logged(*line["event"]), worker)) for line in lines_of(file)]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    async def sums(self) -> None:
        """See Model."""
        return


def spans_in(folder: Path) -> list[Span]:
    """When handlers were at what."""
    found: dict[tuple[int, float], Span] = {}
    for file in folder.glob("spans-*.jsonl"):
        worker = int(file.stem.partition("-")[2])
        for line in lines_of(file):
            found[worker, line["began"]] = Span(
                worker, line["partition"], line["began"], line["ended"], line["first"], line["last"]
            )
    return list(found.values())


def lines_of(file: Path) -> list[dict]:
    """The lines of a file that a process may be writing."""
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def _applied(row: tuple | asyncpg.Record) -> Applied:
    *event, worker = row
    return Applied(Logged(*event), worker)


def _lines(rows: list) -> dict[str, Line]:
    return {name: Line(*values) for name, *values in rows}
