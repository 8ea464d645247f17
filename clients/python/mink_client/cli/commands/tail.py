"""`mink tail`: the log as it grows."""

import asyncio
import logging
from typing import Annotated

import typer

from mink_client import Subscription
from mink_client.cli import options
from mink_client.cli.command import command
from mink_client.cli.errors import wrong_call
from mink_client.cli.event_writer import EventWriter
from mink_client.cli.session import Session

_log = logging.getLogger("mink_client.cli")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, "tail")(_tail)


async def _tail(
    session: Session,
    after: Annotated[
        int | None, typer.Option("--after", min=0, metavar="N", help="Begin after this position.", show_default=False)
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the first event.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, metavar="N", help="Stop after so many; 0: never.")] = 0,
    verbose: options.Verbose = False,
    types: options.Types = None,
    streams: options.Streams = None,
    categories: options.Categories = None,
    prefixes: options.Prefixes = None,
) -> None:
    """Follow the log: show events as they are appended, from now on unless told otherwise, until Ctrl-C (which ends it with 0).

    When the server goes away it waits, says so on standard error, and carries on without losing an event. With --output json: one
    object a line.
    """
    if after is not None and from_start:
        raise wrong_call("--after, --from-start: one of the two")
    if verbose:
        logging.getLogger("mink_client").setLevel(logging.INFO)
    chosen = options.event_filter(streams, prefixes, categories, types)
    from_end = after is None and not from_start
    try:
        async with session.connect() as mink, mink.subscribe_all(after=after or 0, from_end=from_end, **chosen) as subscription:
            await _follow(subscription, EventWriter(session), limit)
    except asyncio.CancelledError:
        return  # Ctrl-C is how this ends


async def _follow(subscription: Subscription, writer: EventWriter, limit: int) -> None:
    live = False
    with writer:
        async for batch in subscription.batches(idle=True):
            writer.add(batch[: limit - writer.count] if limit else batch)
            if batch:
                writer.flush()
            if limit and writer.count >= limit:
                return
            if subscription.caught_up != live:
                live = subscription.caught_up
                _log.info("%s at position %d", "caught up" if live else "fell behind", subscription.position)
