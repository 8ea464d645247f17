"""`mink projection rebuild`: the read model anew from the log."""

import asyncio
import sys
from contextlib import aclosing
from typing import Annotated

import typer

from mink_client import Mink, RebuildMode
from mink_client.cli import options, output
from mink_client.cli import projection_text as text
from mink_client.cli.asking import ask, may_ask
from mink_client.cli.command import command
from mink_client.cli.output import to_json
from mink_client.cli.projection_json import projection_json
from mink_client.cli.rebuilding import follow
from mink_client.cli.session import Session
from mink_client.cli.text import clean
from mink_client.projection_status import Projection

_MOST_REVISION = 2**31 - 1


def register(projections: typer.Typer) -> None:
    """Adds the command."""
    command(projections, "rebuild")(_rebuild)


async def _rebuild(
    session: Session,
    projection: options.Projection,
    side_by_side: Annotated[
        bool,
        typer.Option(
            "--side-by-side/--in-place",
            help="Fill a second read model beside the first and switch to it; or have a worker clear it, and fill it again.",
        ),
    ] = False,
    revision: Annotated[
        int,
        typer.Option(
            "--revision", min=0, max=_MOST_REVISION, metavar="N", help="The revision of the code; 0: the highest that is connected."
        ),
    ] = 0,
    yes: options.Yes = False,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Whether to wait for its end; with a terminal it does.", show_default=False),
    ] = None,
) -> None:
    """Build the read model anew from the log.

    With a terminal it follows the rebuild until it is done, and ends with 1 if a handler fails for good; Ctrl-C ends the following
    and not the rebuild. --timeout says how long a call may take, and how long the rebuild may wait for somebody to resume it or to
    start a worker (which then ends the following with 1), not how long it may take.
    """
    mode = RebuildMode.SIDE_BY_SIDE if side_by_side else RebuildMode.IN_PLACE
    asking = may_ask(session, yes=yes, what="builds a read model anew")
    async with session.connect() as mink:
        if asking:
            found = await mink.projections.get(projection)
            ask(f"{_what(found, mode)}?", otherwise="nothing was rebuilt")
        begun = await mink.projections.rebuild(projection, mode=mode, revision=revision)
        hindrance = text.hindered(begun)
        if wait is None:
            # Who sits before a terminal wants to know that nothing happens, and not to watch it.
            wait = not session.json and output.on_terminal() and sys.stderr.isatty() and not hindrance
        if not wait:
            _show(session, begun, f"{_began(begun, mode)}{'; ' + hindrance if hindrance else '.'}")
            return
        if hindrance and not session.json:
            sys.stderr.write(clean(f"{_began(begun, mode)}; {hindrance}") + "\n")
        done = await _followed(mink, begun, mode, session.timeout)
    _show(session, done, f"Rebuilt {done.name}: at position {done.checkpoint} of {done.head}, revision {done.live.revision}.")


def _what(found: Projection, mode: RebuildMode) -> str:
    if mode is RebuildMode.SIDE_BY_SIDE:
        return f"Fill a second read model of {found.name} from the log, and switch to it"
    return f"Clear the read model of {found.name} (at position {found.checkpoint}), and fill it again from the log"


def _began(begun: Projection, mode: RebuildMode) -> str:
    build = begun.next if mode is RebuildMode.SIDE_BY_SIDE and begun.next else begun.live
    return f"{begun.name} is rebuilt {text.mode(mode)}, with revision {build.revision}"


async def _followed(mink: Mink, begun: Projection, mode: RebuildMode, patience: float) -> Projection:
    try:
        async with aclosing(mink.projections.watch(begun.name)) as observed:
            return await follow(begun, mode, observed, lambda: mink.projections.get(begun.name), patience)
    except asyncio.CancelledError:
        sys.stderr.write(clean(f"The rebuild goes on; `{text.hint('status', begun.name)}` shows how far it is.") + "\n")
        raise


def _show(session: Session, found: Projection, said: str) -> None:
    if session.json:
        output.write_json(to_json(projection_json(found)))
    else:
        output.write(clean(said))
