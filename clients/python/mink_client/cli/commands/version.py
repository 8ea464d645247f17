"""`mink version` and `mink --version`: what is installed here."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from mink_client.cli import options, output
from mink_client.cli.output import Format, facts, to_json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("version")(_version)


def _version(
    output_format: Annotated[Format, typer.Option("--output", "-o", help="A table for people, JSON for programs.")] = Format.TABLE,
    non_interactive: options.NonInteractive = False,  # noqa: ARG001 - it never asks; the flag is there for scripts
) -> None:
    """Show the versions that are installed here. `mink diagnose` shows the version of a server."""
    if output_format is Format.JSON:
        output.write_json(to_json(_installed()))
    else:
        show()


def show() -> None:
    """Writes the versions, one a line."""
    facts(*_installed().items())


def _installed() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("mink-client", "mink-server"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found or {"mink-client": "unknown"}
