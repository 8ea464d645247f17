"""`mink diagnose`: what a server depends on, and what to do about what is wrong."""

import time
from datetime import timedelta
from typing import Any

import typer

from mink_client import AccessError, Check, Diagnosis, MinkError, Outcome
from mink_client.cli import output
from mink_client.cli.command import command
from mink_client.cli.errors import Failure, explain
from mink_client.cli.output import Column, Rows, to_json
from mink_client.cli.session import Session
from mink_client.cli.text import clean, timestamp

_STYLES = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "bold red", Outcome.UNKNOWN: "magenta"}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, "diagnose")(_diagnose)


async def _diagnose(session: Session) -> None:
    """Check the server and what it depends on. Ends with 1 if a check failed."""
    began = time.monotonic()
    diagnosis: Diagnosis | None = None
    try:
        async with session.connect() as mink:
            diagnosis = await mink.diagnose()
    except AccessError:
        raise  # the server is there, and says what it takes
    except MinkError as error:
        message, _, recommendation = explain(error, session.server).message.partition(": is it running? ")
        server = Check("server", Outcome.FAILED, message, recommendation, timedelta())
    else:
        message = f"version {diagnosis.server_version} answers at {session.server}"
        server = Check("server", Outcome.OK, message, "", timedelta(seconds=time.monotonic() - began))
    checks = [server, *(diagnosis.checks if diagnosis else ())]
    if session.json:
        output.write_json(to_json(_as_json(session, checks, diagnosis)))
    elif output.on_terminal():
        _show_on_terminal(checks)
    else:
        with Rows(*map(Column, ("CHECK", "OUTCOME", "MESSAGE", "RECOMMENDATION"))) as rows:
            for check in checks:
                rows.add(check.component, check.outcome.name, check.message, check.recommendation)
    failed = [check.component for check in checks if check.outcome is Outcome.FAILED]
    if failed:
        raise Failure(f"failed: {', '.join(failed)}")


def _as_json(session: Session, checks: list[Check], diagnosis: Diagnosis | None) -> dict[str, Any]:
    return {
        "server": session.server,
        "server_version": diagnosis.server_version if diagnosis else None,
        "server_time": timestamp(diagnosis.server_time) if diagnosis else None,
        "healthy": all(check.outcome is not Outcome.FAILED for check in checks),
        "checks": [
            {
                "component": check.component,
                "outcome": check.outcome.name,
                "message": check.message,
                "recommendation": check.recommendation,
                "took_ms": round(check.took.total_seconds() * 1000, 3),
            }
            for check in checks
        ],
    }


def _show_on_terminal(checks: list[Check]) -> None:
    from rich import box  # noqa: PLC0415 - a pipe does not need it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    for title in ("Check", "Outcome", "Message", "Recommendation"):
        table.add_column(title)
    for check in checks:
        outcome = Text(check.outcome.name, style=_STYLES[check.outcome])
        table.add_row(Text(clean(check.component)), outcome, Text(clean(check.message)), Text(clean(check.recommendation)))
    Console().print(table)
