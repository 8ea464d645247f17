"""`mink events`: the log as it stands."""

import sys
from typing import Annotated

import typer

from mink_client.cli import options, output
from mink_client.cli.command import command
from mink_client.cli.errors import wrong_call
from mink_client.cli.event_writer import EventWriter
from mink_client.cli.session import Session


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, "events")(_events)


async def _events(
    session: Session,
    after: Annotated[int, typer.Option("--after", min=0, metavar="N", help="Only events after this position.")] = 0,
    before: Annotated[
        int | None, typer.Option("--before", min=1, metavar="N", help="Only events before this position, newest first.")
    ] = None,
    backwards: options.Backwards = False,
    limit: options.Limit = 100,
    types: options.Types = None,
    streams: options.Streams = None,
    categories: options.Categories = None,
    prefixes: options.Prefixes = None,
) -> None:
    """Show the log: the events of all streams, in the order of their positions.

    An event is shown if --stream, --prefix or --category chooses its stream (or none is given), and --type its type (or it is not
    given). With --output json: one object a line.
    """
    backwards = backwards or before is not None
    if after and backwards:
        raise wrong_call("--after goes with reading forwards; backwards, use --before")
    chosen = options.event_filter(streams, prefixes, categories, types)
    async with session.connect() as mink:
        batches = mink.read_all_batches(after=after, before=before or 0, backwards=backwards, limit=limit, **chosen)
        with EventWriter(session) as writer:
            async for batch in batches:
                writer.add(batch)
    if limit and writer.count == limit and output.on_terminal():
        sys.stderr.write(f"These are the first {limit}; for more: --{'before' if backwards else 'after'} {writer.last}\n")
