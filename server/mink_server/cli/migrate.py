"""`mink migrate`: speaks to Postgres."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from mink_server.core.errors import MinkError
from mink_server.settings import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mink_server.storage.migrations import Migration, Migrations

migrate = typer.Typer(no_args_is_help=True, help="Bring the schema of DATABASE_URL up to date, or look at it.")


class Output(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How results are written.")]
NonInteractive = Annotated[bool, typer.Option("--non-interactive", help="Never ask.")]


@migrate.command()
def up(
    steps: Annotated[int | None, typer.Option(min=1, help="Migrations to apply at most.")] = None,
    output: OutputOption = Output.TABLE,
    non_interactive: NonInteractive = False,  # noqa: ARG001 - up never asks; the flag is there for scripts
) -> None:
    """Applies the migrations that are pending."""
    applied = _run(lambda migrations: migrations.up(steps))
    _show(applied, output, "The database is up to date." if not applied else f"Applied {len(applied)}.")


@migrate.command()
def down(
    steps: Annotated[int, typer.Option(min=1, help="Migrations to revert.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputOption = Output.TABLE,
    non_interactive: NonInteractive = False,
) -> None:
    """Reverts the newest migrations. Reverting the first one removes the log and everything in it."""
    if not yes:
        if non_interactive or not sys.stdin.isatty():
            _fail("this removes data: say --yes", code=2)
        typer.confirm(f"Revert {steps} migration(s)? This removes data.", abort=True, err=True)
    reverted = _run(lambda migrations: migrations.down(steps))
    _show(reverted, output, f"Reverted {len(reverted)}.")


@migrate.command()
def status(output: OutputOption = Output.TABLE, non_interactive: NonInteractive = False) -> None:  # noqa: ARG001
    """Shows which migrations are applied, and how many are pending."""
    found = _run(lambda migrations: migrations.status())
    pending = sum(m.applied_at is None for m in found)
    _show(found, output, f"{pending} pending.")


def _run(work: Callable[[Migrations], Awaitable[list[Migration]]]) -> list[Migration]:
    from mink_server.storage.database import Database  # noqa: PLC0415 - `mink --help` need not load it
    from mink_server.storage.migrations import Migrations  # noqa: PLC0415
    from mink_server.telemetry.logging import configure  # noqa: PLC0415

    try:
        settings = load()
    except SettingsError as error:
        _fail(str(error))
    if settings.database_url is None:
        _fail(
            "set DATABASE_URL, for example postgresql://user@localhost/mink (`mink serve` migrates its embedded database by itself)"
        )
    configure("warning", settings.log_format)
    database = Database(
        settings.database_url.get_secret_value(),
        timeout=settings.database_timeout,
        statement_cache=settings.database_statement_cache,
    )
    try:
        return asyncio.run(_await(work(Migrations(database, settings.database_schema))))
    except MinkError as error:
        _fail(str(error))


async def _await(work: Awaitable[list[Migration]]) -> list[Migration]:
    return await work


def _show(migrations: list[Migration], output: Output, summary: str) -> None:
    if output is Output.JSON:
        rows: list[dict[str, Any]] = [
            {"number": m.number, "name": m.name, "applied_at": m.applied_at.isoformat() if m.applied_at else None}
            for m in migrations
        ]
        typer.echo(json.dumps(rows))
        return
    for m in migrations:
        state = "applied" if m.applied_at else "pending"
        typer.echo(
            f"{state:8} {m.number:04} {m.name:24} {m.applied_at.isoformat(timespec='seconds') if m.applied_at else ''}".rstrip()
        )
    typer.echo(summary)


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(f"mink migrate: {message}", err=True)
    raise typer.Exit(code)
