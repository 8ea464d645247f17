"""The commands of this distribution, one module for each or for a few that belong together."""

import typer

from mink_client.cli.commands import (
    append,
    diagnose,
    events,
    export,
    projection,
    removal,
    snapshot,
    stream,
    tail,
    verify,
    version,
    worker,
)

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
    projection.register(
        _group(app, "projection", "Look at projections, pause, rebuild and restart them, mind what they set aside.")
    )
    worker.register(_group(app, "worker", "Run projections on this machine."))
    diagnose.register(app)
    verify.register(app)
    version.register(app)


def _group(app: typer.Typer, name: str, text: str) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=text)
    app.add_typer(group, name=name)
    return group
