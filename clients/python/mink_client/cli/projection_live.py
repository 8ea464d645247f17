"""Projections on a terminal, as they change."""

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mink_client import ProjectionState
from mink_client.cli import projection_text as text
from mink_client.cli.text import clean, moment
from mink_client.projection_status import Observed, Projection

_STYLES: Final = {
    ProjectionState.RUNNING: "green",
    ProjectionState.CATCHING_UP: "cyan",
    ProjectionState.REBUILDING: "cyan",
    ProjectionState.RESTARTING: "cyan",
    ProjectionState.PAUSED: "yellow",
    ProjectionState.STOPPED: "yellow",
    ProjectionState.FAULTED: "bold red",
    ProjectionState.UNKNOWN: "magenta",
}


async def show_live(observed: AsyncIterator[Observed]) -> None:
    """Shows a table, and each change in it, until the watch ends."""
    with Live(console=Console(), auto_refresh=False) as live, _log_above():
        async for seen in observed:
            live.update(table(seen), refresh=True)


def table(seen: Observed) -> Table:
    """The table of one moment."""
    made = Table(box=box.SIMPLE_HEAD, caption=f"at {moment(seen.server_time)}; Ctrl-C ends", caption_justify="left")
    for title in ("Projection", "Status"):
        made.add_column(title)
    for title in ("Position", "Lag", "Events/s", "Workers"):
        made.add_column(title, justify="right")
    made.add_column("")
    for found in seen.projections:
        made.add_row(
            Text(clean(found.name)),
            Text(found.state.value, style=_STYLES[found.state]),
            f"{found.checkpoint} / {found.head}",
            text.lag(found),
            text.rate(found.events_per_second),
            str(len(found.workers)),
            Text(clean(_note(found))),
        )
    if not seen.projections:
        made.title = "There is no projection"
    return made


def _note(found: Projection) -> str:
    """What else there is to say, in a few words."""
    if found.state is ProjectionState.FAULTED and found.last_error:
        return f"{text.error_place(found.last_error)}: {found.last_error.message}"[:200]
    if found.rebuild:
        share = f"{text.percent(found.rebuild.done, found.rebuild.total)} " if found.rebuild.to_position else ""
        return share + text.rebuild(found.rebuild)
    return found.waiting_for or (f"{found.parked_events} parked" if found.parked_events else "")


@contextmanager
def _log_above() -> Iterator[None]:
    """What is logged meanwhile stands above the table, and not across it: standard error is another one while it is shown."""
    handlers = [h for h in logging.getLogger("mink_client").handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)
