"""Schema migrations: numbered pairs of .sql files, applied in order, each in a transaction, by one server at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog

from mink_server.core.errors import MinkError
from mink_server.storage.errors import DATABASE_ERRORS, translate
from mink_server.storage.statements import fill, statement

if TYPE_CHECKING:
    from datetime import datetime

    from mink_server.storage.database import Database

log = structlog.get_logger(__name__)

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.up\.sql")
_OLDEST_POSTGRES: Final = 140000
# Class of advisory locks for migrations ("mig" in ASCII); the second number is a hash of the schema's name.
_LOCK: Final = 7170407


class SchemaError(MinkError):
    """The schema does not fit this server. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `applied_at` is None while it is pending."""

    number: int
    name: str
    applied_at: datetime | None = None


def _known() -> list[Migration]:
    folder = resources.files(__package__) / "sql" / "migrations"
    matches = sorted(m.groups() for entry in folder.iterdir() if (m := _FILE.fullmatch(entry.name)))
    return [Migration(int(number), name) for number, name in matches]


def _sql(migration: Migration, direction: str, schema: str) -> str:
    folder = resources.files(__package__) / "sql" / "migrations"
    return fill((folder / f"{migration.number:04}_{migration.name}.{direction}.sql").read_text(encoding="utf-8"), schema)


class Migrations:
    """The migrations of one schema.

    Args:
        database: Where it is.
        schema: Its name, checked by `settings.py`.
    """

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema

    async def status(self) -> list[Migration]:
        """All migrations, those that the database has and this server does not know included. Changes nothing.

        Raises:
            MinkError: The database failed.
        """
        connection = await self._connect()
        try:
            return await self._status(connection)
        except asyncpg.PostgresError as error:
            raise translate(error) from error
        finally:
            await connection.close(timeout=2)

    async def check(self) -> None:
        """Makes sure that the schema is the one that this server knows.

        Raises:
            SchemaError: It is older or newer.
            MinkError: The database failed.
        """
        status = await self.status()
        self._refuse_newer(status)
        pending = [m for m in status if m.applied_at is None]
        if pending:
            raise SchemaError(
                f"the schema {self._schema!r} lacks {len(pending)} migration(s): run `mink migrate up`, "
                "or start with `mink serve --migrate`"
            )

    async def up(self, steps: int | None = None) -> list[Migration]:
        """Applies what is pending, at most `steps` migrations; answers with what was applied.

        Raises:
            SchemaError: The schema is newer than this server, or Postgres is too old.
            MinkError: The database failed.
        """
        return await self._locked("up", steps)

    async def down(self, steps: int) -> list[Migration]:
        """Reverts the newest migrations; answers with what was reverted.

        Raises:
            SchemaError: The schema is newer than this server.
            MinkError: The database failed.
        """
        return await self._locked("down", steps)

    async def _connect(self) -> asyncpg.Connection[Any]:
        try:
            return await self._database.connect()
        except Exception as error:
            raise translate(error) from error

    async def _status(self, connection: asyncpg.Connection[Any]) -> list[Migration]:
        known = {m.number: m for m in _known()}
        there = await connection.fetchval("select to_regclass($1) is not null", f"{self._schema}.migrations")
        rows = await connection.fetch(f"select number, name, applied_at from {self._schema}.migrations") if there else []  # noqa: S608
        applied = {row["number"]: Migration(**row) for row in rows}
        return [applied.get(n) or known[n] for n in sorted(known.keys() | applied.keys())]

    def _refuse_newer(self, status: list[Migration]) -> None:
        newest = _known()[-1].number
        unknown = [m for m in status if m.number > newest]
        if unknown:
            raise SchemaError(
                f"the schema {self._schema!r} is at migration {unknown[-1].number}, this server knows {newest}: use a newer mink"
            )

    async def _locked(self, direction: str, steps: int | None) -> list[Migration]:
        connection = await self._connect()
        try:
            version = await connection.fetchval("select current_setting('server_version_num')::int")
            if version < _OLDEST_POSTGRES:
                raise SchemaError(f"Postgres {version // 10000} is too old: Mink needs 14 or newer")
            # One transaction for all steps, under one lock: two servers that start at once do not collide, and a proxy that pools
            # transactions does no harm.
            async with connection.transaction():
                await connection.execute("set local lock_timeout = '60s'")
                await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", _LOCK, self._schema)
                status = await self._status(connection)
                self._refuse_newer(status)
                if direction == "up":
                    await connection.execute(statement("migrations_table", self._schema))
                    wanted = [m for m in status if m.applied_at is None][:steps]
                else:
                    wanted = [m for m in reversed(status) if m.applied_at is not None][:steps]
                for migration in wanted:
                    await connection.execute(_sql(migration, direction, self._schema))
                    if direction == "up":
                        insert = f"insert into {self._schema}.migrations (number, name) values ($1, $2)"  # noqa: S608
                        await connection.execute(insert, migration.number, migration.name)
                    else:
                        await connection.execute(f"delete from {self._schema}.migrations where number = $1", migration.number)  # noqa: S608
                    log.info("migrated", direction=direction, number=migration.number, name=migration.name)
            now = {m.number: m for m in await self._status(connection)}
            return [now[m.number] for m in wanted]
        except DATABASE_ERRORS as error:
            if getattr(error, "sqlstate", None) == "42501":
                raise SchemaError("the database user may not create the schema: grant it CREATE on the database") from error
            raise translate(error) from error
        finally:
            await connection.close(timeout=2)
