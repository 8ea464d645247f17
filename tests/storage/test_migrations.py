"""The schema: up, down and status, two at once, newer ones, and users who may not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from mink_server.core.errors import DatabaseUnavailableError, MinkError
from mink_server.storage.database import Database
from mink_server.storage.migrations import Migrations, SchemaError
from mink_server.storage.reader import Reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.databases import Postgres

MINK = Path(sys.executable).with_name("mink")


@pytest.fixture
def schema(any_postgres: Postgres) -> Iterator[str]:
    name = any_postgres.new_schema()
    yield name
    any_postgres.drop(name)


@pytest.fixture
async def database(any_postgres: Postgres) -> AsyncIterator[Database]:
    opened = Database(any_postgres.dsn, pool_size=4)
    await opened.open()
    yield opened
    await opened.close()


def environment(dsn: str, schema: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "DATABASE_URL": dsn, "DATABASE_SCHEMA": schema}


def mink_migrate(dsn: str, schema: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(MINK), "migrate", *arguments]
    return subprocess.run(
        command, env=environment(dsn, schema), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False
    )


def serve(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mink_server"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


async def contents(database: Database, schema: str) -> list[str]:
    rows = await database.fetch(
        "select relname::text as name from pg_class where relnamespace = to_regnamespace($1) "
        "and relkind in ('r', 'v', 'm', 'S', 'f') "
        "union all select proname::text from pg_proc where pronamespace = to_regnamespace($1) order by 1",
        schema,
    )
    return [row["name"] for row in rows]


async def test_up_status_down_and_up_again(database: Database, schema: str) -> None:
    migrations = Migrations(database, schema)
    before = await migrations.status()
    assert [(m.number, m.applied_at) for m in before] == [(m.number, None) for m in before]
    assert await contents(database, schema) == [], "status changed something"
    with pytest.raises(SchemaError, match=r"mink migrate up"):
        await migrations.check()
    applied = await migrations.up()
    assert [(m.number, m.name) for m in applied] == [(m.number, m.name) for m in before]
    assert all(m.applied_at is not None for m in await migrations.status())
    await migrations.check()
    first = (await Reader(database, schema).head()).log_id
    assert await migrations.up() == []
    assert (await Reader(database, schema).head()).log_id == first
    reverted = await migrations.down(len(before))
    assert [m.number for m in reverted] == [m.number for m in reversed(before)]
    assert await contents(database, schema) == ["migrations"]
    assert await migrations.down(1) == []
    assert len(await migrations.up()) == len(before)
    head = await Reader(database, schema).head()
    assert head.position == 0
    assert head.log_id != first, "what was made anew is another log"


async def test_steps_are_counted(database: Database, schema: str) -> None:
    migrations = Migrations(database, schema)
    assert [m.number for m in await migrations.up(1)] == [1]
    await migrations.up()
    assert len(await migrations.down(1)) == 1
    assert [m.applied_at is None for m in await migrations.status()][-1]


async def test_ups_at_once_do_not_collide(any_postgres: Postgres, database: Database, schema: str) -> None:
    results = await asyncio.gather(*(Migrations(database, schema).up() for _ in range(6)))
    assert sorted(len(result) for result in results) == [0] * 5 + [len(await Migrations(database, schema).status())]
    await Migrations(database, schema).down(99)
    any_postgres.drop(schema)
    command = [str(MINK), "migrate", "up", "--output", "json"]
    running = [
        await asyncio.create_subprocess_exec(
            *command, env=environment(any_postgres.dsn, schema), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in running))
    assert [process.returncode for process in running] == [0, 0], outputs
    assert sorted(len(json.loads(out)) for out, _ in outputs) == [0, len(await Migrations(database, schema).status())]
    await Migrations(database, schema).check()


async def test_two_logs_in_one_database_have_nothing_in_common(any_postgres: Postgres, database: Database, schema: str) -> None:
    second = any_postgres.new_schema()
    try:
        await asyncio.gather(Migrations(database, schema).up(), Migrations(database, second).up())
        assert (await Reader(database, schema).head()).log_id != (await Reader(database, second).head()).log_id
        await Migrations(database, second).down(99)
        await Migrations(database, schema).check()
    finally:
        any_postgres.drop(second)


async def test_a_newer_schema_is_refused(any_postgres: Postgres, database: Database, schema: str) -> None:
    migrations = Migrations(database, schema)
    await migrations.up()
    await database.fetch(f"insert into {schema}.migrations (number, name) values (9999, 'from_the_future')")
    for work in (migrations.check(), migrations.up(), migrations.down(1)):
        with pytest.raises(SchemaError, match=r"9999.*newer mink"):
            await work
    assert [(m.number, m.name) for m in await migrations.status()][-1] == (9999, "from_the_future")
    for arguments in (("up",), ("down", "--yes")):
        done = mink_migrate(any_postgres.dsn, schema, *arguments)
        assert done.returncode == 1
        assert re.fullmatch(r"mink migrate: .*9999.*newer mink\n", done.stderr)
        assert done.stdout == ""
    env = environment(any_postgres.dsn, schema) | {f"MINK_{name}LISTEN": "127.0.0.1:0" for name in ("", "HTTP_", "METRICS_")}
    for extra in ({}, {"MINK_MIGRATE": "true"}):
        done = serve(env | extra)
        assert done.returncode == 1
        assert re.fullmatch(r"mink serve: .*9999.*newer mink\n", done.stderr), done.stderr


async def test_the_command(any_postgres: Postgres, schema: str) -> None:
    done = mink_migrate(any_postgres.dsn, schema, "status", "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    pending = json.loads(done.stdout)
    assert pending[0] == {"number": 1, "name": "log", "applied_at": None}
    done = mink_migrate(any_postgres.dsn, schema, "up", "--non-interactive")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Applied {len(pending)}." in done.stdout
    done = mink_migrate(any_postgres.dsn, schema, "up")
    assert (done.returncode, done.stdout) == (0, "The database is up to date.\n")
    done = mink_migrate(any_postgres.dsn, schema, "status")
    assert done.stdout.endswith("0 pending.\n")
    for arguments in ((), ("--non-interactive",)):
        done = mink_migrate(any_postgres.dsn, schema, "down", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "mink migrate: this removes data: say --yes\n")
    done = mink_migrate(any_postgres.dsn, schema, "down", "--yes", "--output", "json")
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 1)


async def test_a_schema_that_lacks_migrations_stops_a_server_with_one_line(any_postgres: Postgres, schema: str) -> None:
    done = serve(environment(any_postgres.dsn, schema))
    assert done.returncode == 1
    assert re.fullmatch(r"mink serve: .*mink migrate up.*\n", done.stderr), done.stderr


@pytest.mark.parametrize("name", ["pg_mink", "Mink", "1mink", "mi-nk", 'mi"nk', "mink;drop", "m" * 51, "", "münk", "mink\n"])
async def test_schema_names_are_checked(any_postgres: Postgres, name: str) -> None:
    done = mink_migrate(any_postgres.dsn, name, "status")
    assert done.returncode == 1
    assert re.fullmatch(r"mink migrate: DATABASE_SCHEMA: .*\n", done.stderr), done.stderr


async def test_a_database_that_is_not_there_is_one_line_without_the_password(schema: str) -> None:
    done = mink_migrate("postgresql://mink:hu5h-hu5h@127.0.0.1:1/mink", schema, "up")
    assert done.returncode == 1
    assert re.fullmatch(r"mink migrate: .*\n", done.stderr), done.stderr
    assert "hu5h" not in done.stderr + done.stdout


class User:
    """A user of the database who owns nothing."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.postgres = postgres
        self.name = name
        postgres.execute(f"create role {name} login password 'pw'")

    async def database(self) -> Database:
        """Connected as this user: the first thing that a session does is to become it."""
        opened = _As(self.postgres.dsn, self.name)
        await opened.open()
        return opened

    def drop(self) -> None:
        self.postgres.execute(f"drop owned by {self.name}; drop role {self.name}")


class _As(Database):
    def __init__(self, dsn: str, user: str) -> None:
        super().__init__(dsn, pool_size=2)
        self._user = user

    async def connect(self) -> asyncpg.Connection[Any]:
        connection = await super().connect()
        await connection.execute(f"set session authorization {self._user}")
        return connection


@pytest.fixture
def user(any_postgres: Postgres, schema: str) -> Iterator[User]:
    made = User(any_postgres, f"u_{schema}")
    yield made
    any_postgres.drop(schema)
    made.drop()


async def refusal(work: Any) -> str:
    with pytest.raises((SchemaError, DatabaseUnavailableError)) as caught:
        await work
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_user_who_may_not_make_a_schema_gets_one_clear_line(user: User, schema: str) -> None:
    migrations = Migrations(await user.database(), schema)
    assert "CREATE on the database" in await refusal(migrations.up())
    assert (await migrations.status())[0].applied_at is None


async def test_a_user_who_may_not_look_into_the_schema_gets_one_clear_line(user: User, database: Database, schema: str) -> None:
    await Migrations(database, schema).up()
    migrations = Migrations(await user.database(), schema)
    for work in (migrations.status(), migrations.check(), migrations.up(), migrations.down(1)):
        line = await refusal(work)
        assert re.search("privilege|grant", line), line
    await Migrations(database, schema).check()


async def test_a_user_whose_schema_was_made_for_them_needs_no_right_on_the_database(
    user: User, any_postgres: Postgres, schema: str
) -> None:
    any_postgres.execute(f"create schema {schema} authorization {user.name}")
    migrations = Migrations(await user.database(), schema)
    await migrations.up()
    await migrations.check()
    await migrations.down(1)


async def test_others_may_neither_read_nor_append(user: User, database: Database, schema: str) -> None:
    await Migrations(database, schema).up()
    connection = await (await user.database()).connect()
    try:
        for statement in (
            f"select * from {schema}.events",
            f"select * from {schema}.event_log",
            f"delete from {schema}.streams",
            f"select * from {schema}.remove_v1('A', -1, null, true)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_failing_migration_changes_nothing(database: Database, any_postgres: Postgres, schema: str) -> None:
    any_postgres.execute(f"create schema {schema}; create table {schema}.snapshots (mine text)")
    with pytest.raises(MinkError):
        await Migrations(database, schema).up()
    assert await contents(database, schema) == ["snapshots"]
