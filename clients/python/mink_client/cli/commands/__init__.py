"""The commands of this distribution, one module for each or for a few that belong together."""

import typer

from mink_client.cli.commands import append, diagnose, events, export, removal, snapshot, stream, tail, verify, version

__all__ = ["register", "version"]


def register(app: typer.Typer) -> None:
    """Adds them to the application, in the order in which its help names them."""
    append.register(app)
    events.register(app)
    tail.register(app)
    streams = _group(app, "stream", "Look at streams, export them, remove from them.")
    stream.register(streams)
    export.register(streams)
    removal.register(streams)
    snapshot.register(_group(app, "snapshot", "Look at snapshots, delete them."))
    diagnose.register(app)
    verify.register(app)
    version.register(app)


def _group(app: typer.Typer, name: str, text: str) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=text)
    app.add_typer(group, name=name)
    return group
