"""Commands of other distributions, such as the server's `serve` and `migrate`: entry points of the group `mink.commands`.

They are loaded when they are called and not before, so that the others start without them, also when one of them is broken.
An entry point names a `typer.Typer`, which becomes a group of commands, or a function, which becomes one command.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from mink_client.cli.errors import Failure, wrong_call

ENTRY_POINTS: Final = "mink.commands"

_HELP: Final = {
    "serve": "Run the event store, on DATABASE_URL or on an embedded Postgres.",
    "migrate": "Bring the schema of DATABASE_URL up to date, or look at it.",
    "token": "Say who may call a server, and what they may do: tokens and client certificates.",
}
"""What `mink --help` says about the server's commands, which it does not load."""


@cache
def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _load(point: EntryPoint) -> Any:
    """The command that an entry point names.

    Raises:
        Failure: It cannot be loaded.
    """
    try:
        loaded = point.load()
    except Exception as error:  # whatever somebody else's module does
        owner = point.dist.name if point.dist else point.value
        raise Failure(f"the command {point.name} of {owner} cannot be loaded: {type(error).__name__}: {error}") from error
    if isinstance(loaded, typer.Typer):
        loaded.rich_markup_mode = None
        command: Any = typer.main.get_group(loaded)
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(point.name)(loaded)
        command = typer.main.get_command(alone)
    command.name = point.name
    return command


class Group(TyperGroup):
    """The commands of this distribution, and those that others add."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, this distribution's own first."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in _found() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; for one that is not loaded, something that only has its name and its help."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _found():
            return own
        return TyperCommand(cmd_name, help=_HELP.get(cmd_name, "An added command."), rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was called, loaded.

        Raises:
            Failure: It cannot be loaded, or its distribution is not there.
        """
        name = args[0]
        if name not in self.commands:
            if name in _found():
                self.add_command(_load(_found()[name]), name)
            elif name in _HELP:
                raise wrong_call(f"{name} belongs to the server, which is not installed; run: pip install mink-server")
        return super().resolve_command(ctx, args)
