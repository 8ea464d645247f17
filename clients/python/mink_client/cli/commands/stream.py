"""`mink stream list|show|events|stats`: what streams there are, and what is in them."""

from typing import Annotated, Any

import typer

from mink_client import StreamInfo
from mink_client.cli import options, output
from mink_client.cli.command import command
from mink_client.cli.event_writer import EventWriter
from mink_client.cli.output import Column, JsonArray, Rows, facts, to_json
from mink_client.cli.progress import working
from mink_client.cli.session import Session
from mink_client.cli.text import moment, timestamp

_PAGE = 1000
_COUNTING_TIMEOUT = 300.0


def register(streams: typer.Typer) -> None:
    """Adds the commands."""
    command(streams, "list")(_list)
    command(streams, "show")(_show)
    command(streams, "events")(_events)
    command(streams, "stats", timeout=_COUNTING_TIMEOUT)(_stats)


async def _list(
    session: Session,
    prefix: Annotated[str, typer.Argument(metavar="[PREFIX]", help="Only streams that begin so.", show_default=False)] = "",
    limit: options.Limit = 0,
    deleted: Annotated[bool, typer.Option("--deleted", help="Also the deleted ones.")] = False,
) -> None:
    """List streams by name."""
    columns = [Column("VERSION", right=True), Column("EVENTS", right=True), Column("LAST RECORDED AT"), Column("STREAM")]
    if deleted:
        columns.insert(3, Column("STATE"))
    async with session.connect() as mink:
        found = mink.list_streams(prefix, include_deleted=deleted, page_size=min(limit, _PAGE) or _PAGE)
        with JsonArray() if session.json else Rows(*columns) as writer:
            count = 0
            async for info in found:
                if isinstance(writer, JsonArray):
                    writer.add(to_json(_as_json(info)))
                else:
                    state = [_state(info)] if deleted else []
                    writer.add(info.version, info.events, moment(info.last_recorded_at), *state, info.stream)
                count += 1
                if count == limit:
                    break


async def _show(session: Session, stream: options.Stream) -> None:
    """Show what is known about a stream."""
    async with session.connect() as mink:
        info = await mink.get_stream(stream)
    if session.json:
        output.write_json(to_json(_as_json(info)))
        return
    facts(
        ("stream", info.stream),
        ("category", info.category),
        ("version", info.version),
        ("events", info.events),
        ("first version", info.first_version or "none"),
        ("last position", info.last_position or "none"),
        ("first recorded at", moment(info.first_recorded_at) or "none"),
        ("last recorded at", moment(info.last_recorded_at) or "none"),
        ("snapshot at version", info.snapshot_version or "none"),
        ("state", _state(info)),
    )


async def _events(
    session: Session,
    stream: options.Stream,
    from_version: Annotated[
        int, typer.Option("--from", min=0, metavar="N", help="Begin with this version.", show_default=False)
    ] = 0,
    backwards: options.Backwards = False,
    limit: options.Limit = 0,
) -> None:
    """Show the events of a stream. With --output json: one object a line."""
    async with session.connect() as mink:
        batches = mink.read_stream_batches(stream, from_version=from_version, backwards=backwards, limit=limit)
        with EventWriter(session) as writer:
            async for batch in batches:
                writer.add(batch)


async def _stats(
    session: Session,
    top: Annotated[int, typer.Option("--top", min=1, max=1000, help="How many of the most frequent event types to name.")] = 10,
) -> None:
    """Count what is in the log: events, streams, types. Takes a while on a large log."""
    async with session.connect() as mink:
        with working("Counting events"):
            found = await mink.statistics(top_types=top)
    average = found.events / found.streams if found.streams else 0.0
    if session.json:
        top_types = [{"type": entry.type, "events": entry.events} for entry in found.top_types]
        counts = {"events": found.events, "streams": found.streams, "types": found.types}
        rest = {"head": found.head, "size_bytes": found.size_bytes, "log_id": found.log_id}
        output.write_json(to_json({**counts, "average_per_stream": round(average, 3), **rest, "top_types": top_types}))
        return
    facts(
        ("events", found.events),
        ("streams with events", found.streams),
        ("event types", found.types),
        ("average per stream", f"{average:.1f}"),
        ("newest position", found.head),
        ("size on disk", _size(found.size_bytes)),
        ("log id", found.log_id),
    )
    if found.top_types:
        output.write("")
        with Rows(Column("EVENTS", right=True), Column("SHARE", right=True), Column("TYPE")) as rows:
            for entry in found.top_types:
                rows.add(entry.events, f"{entry.events / max(found.events, 1):.1%}", entry.type)


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.1f} {unit}" if unit != "bytes" else f"{number:.0f} bytes"
        number /= 1000
    return f"{number:.1f} TB"


def _state(info: StreamInfo) -> str:
    if info.tombstoned:
        return "gone for good"
    return "deleted" if info.deleted else "there"


def _as_json(info: StreamInfo) -> dict[str, Any]:
    return {
        "stream": info.stream,
        "category": info.category,
        "version": info.version,
        "first_version": info.first_version,
        "events": info.events,
        "last_position": info.last_position,
        "first_recorded_at": timestamp(info.first_recorded_at),
        "last_recorded_at": timestamp(info.last_recorded_at),
        "snapshot_version": info.snapshot_version,
        "deleted": info.deleted,
        "tombstoned": info.tombstoned,
    }
