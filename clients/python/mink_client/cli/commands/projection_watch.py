"""`mink projection watch`: projections as they change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from mink_client.cli import output
from mink_client.cli import projection_text as text
from mink_client.cli.command import command
from mink_client.cli.errors import wrong_call
from mink_client.cli.output import Column, Rows, to_json
from mink_client.cli.projection_json import projection_json
from mink_client.cli.projection_live import show_live
from mink_client.cli.session import Session
from mink_client.cli.text import moment, timestamp
from mink_client.projection_status import Build, Observed, Projection

_COLUMNS = (
    Column("TIME"),
    Column("NAME"),
    Column("STATUS"),
    Column("POSITION", right=True),
    Column("LAG"),
    Column("EVENTS/S", right=True),
    Column("WORKERS", right=True),
)


def register(projections: typer.Typer) -> None:
    """Adds the command."""
    command(projections, "watch")(_watch)


async def _watch(
    session: Session,
    projection: Annotated[str | None, typer.Argument(metavar="[PROJECTION]", help="Only this one.", show_default=False)] = None,
) -> None:
    """Follow how projections are, until Ctrl-C (which ends it with 0): a table on a terminal, otherwise a line for each change.

    When the server goes away it waits, says so on standard error, and carries on. With --output json: one object a line.
    """
    if projection == "":
        raise wrong_call("PROJECTION: must not be empty")
    try:
        async with session.connect() as mink, aclosing(mink.projections.watch(projection)) as observed:
            if session.json or not output.on_terminal():
                await write_changes(observed, as_json=session.json)
            else:
                await show_live(observed)
    except asyncio.CancelledError:
        return  # Ctrl-C is how this ends


async def write_changes(observed: AsyncIterator[Observed], *, as_json: bool) -> None:
    """Writes a line for each projection that has changed, until the watch ends."""
    before: dict[str, Projection] = {}
    rows = None if as_json else Rows(*_COLUMNS)
    async for seen in observed:
        now = {found.name: _compared(found) for found in seen.projections}
        changed = [found for found in seen.projections if now[found.name] != before.get(found.name)]
        for found in changed:
            _write(rows, seen, found)
        for name in sorted(before.keys() - now.keys()):
            _write_gone(rows, seen, name)
        if rows is None:
            output.flush()
        else:
            rows.flush()
        before = now


def _compared(found: Projection) -> Projection:
    """What is compared. What changes by itself as time goes on is no change: rates, how old a lag is, signs of life."""
    workers = tuple(replace(worker, seen_at=None) for worker in found.workers)
    following = found.next and _build_compared(found.next)
    live = _build_compared(found.live)
    return replace(found, lag=timedelta(), events_per_second=0.0, workers=workers, live=live, next=following)


def _build_compared(build: Build) -> Build:
    partitions = tuple(replace(partition, events_per_second=0.0) for partition in build.partitions)
    return replace(build, partitions=partitions, rebuild=build.rebuild and replace(build.rebuild, time_left=None))


def _write(rows: Rows | None, seen: Observed, found: Projection) -> None:
    if rows is None:
        output.write_json(to_json({"server_time": timestamp(seen.server_time), **projection_json(found)}))
        return
    speed = text.rate(found.events_per_second)
    status = found.state.value
    time = moment(seen.server_time)
    rows.add(time, found.name, status, f"{found.checkpoint} / {found.head}", text.lag(found), speed, len(found.workers))


def _write_gone(rows: Rows | None, seen: Observed, name: str) -> None:
    if rows is None:
        output.write_json(to_json({"server_time": timestamp(seen.server_time), "name": name, "deleted": True}))
    else:
        rows.add(moment(seen.server_time), name, "deleted", "", "", "", "")
