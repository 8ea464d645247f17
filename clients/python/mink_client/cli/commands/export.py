"""`mink stream export`: a stream as one JSON file."""

from typing import Annotated, BinaryIO

import typer

from mink_client import Mink, StreamDeleted
from mink_client.cli import options, output
from mink_client.cli.command import command
from mink_client.cli.destination import writing
from mink_client.cli.payload import exported
from mink_client.cli.progress import counting
from mink_client.cli.session import Session
from mink_client.cli.text import clean


def register(streams: typer.Typer) -> None:
    """Adds the command."""
    command(streams, "export", formats=False)(_export)


async def _export(
    session: Session,
    stream: options.Stream,
    file: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The file to write, always JSON; -: standard output.")
    ] = "-",
) -> None:
    """Write a stream as a JSON array of {id, stream_id, version, type, data, metadata, timestamp, position}.

    Here --output names a file, not a format; the file appears when it is whole. JSON payloads are written as they were appended,
    others as {"data_base64": …} with "binary": true beside.
    """
    async with session.connect() as mink:
        info = await mink.get_stream(stream)
        if info.deleted:
            raise StreamDeleted("STREAM_DELETED", f"stream {stream!r} was deleted", stream)
        with writing(file) as target:
            count = await _copy(mink, stream, info.events, target, show=file != "-")
    if file != "-":
        output.write(clean(f"Exported {count} event{'' if count == 1 else 's'} of {stream} to {file}."))


async def _copy(mink: Mink, stream: str, total: int, target: BinaryIO, *, show: bool) -> int:
    count = 0
    with counting(f"Exporting {clean(stream)}", total, show=show) as more:
        async for batch in mink.read_stream_batches(stream):
            for event in batch:
                target.write(b",\n" if count else b"[\n")
                target.write(exported(event).encode())
                count += 1
            more(len(batch))
    target.write(b"\n]\n" if count else b"[]\n")
    return count
