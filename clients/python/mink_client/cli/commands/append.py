"""`mink append`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mink_client import NewEvent
from mink_client.cli import options, output
from mink_client.cli.command import command
from mink_client.cli.errors import Failure, wrong_call
from mink_client.cli.session import Session


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, "append")(_append)


async def _append(
    session: Session,
    stream: options.Stream,
    type: Annotated[str, typer.Argument(metavar="TYPE", help="What happened.", show_default=False)],  # noqa: A002
    json: Annotated[
        str | None, typer.Argument(metavar="[JSON]", help="The payload; -: from standard input.", show_default=False)
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Take the JSON payload from a file; -: from standard input.")] = None,
    binary_file: Annotated[
        Path | None, typer.Option("--binary-file", help="Take the payload from a file of any bytes; or -.")
    ] = None,
    metadata: Annotated[list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="Metadata; repeatable.")] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", metavar="UUID", help="The event's id; the same one again is a replay.")
    ] = None,
    expect: Annotated[
        str, typer.Option("--expect", metavar="any|no-stream|stream-exists|N", help="What the stream must be; N: its version.")
    ] = "any",
) -> None:
    """Append one event to a stream.

    Nothing is appended unless the stream is as expected. The default, any, takes the stream as it is. Line ends behind JSON that
    comes from a file or from standard input are left off.
    """
    if (json is not None) + (file is not None) + (binary_file is not None) != 1:
        raise wrong_call("give the payload once: as JSON, with --file, or with --binary-file")
    if event_id == "":
        raise wrong_call("--id: must be a UUID")
    expected = options.expectation(expect)
    known = _pairs(metadata or [])
    if binary_file is not None:
        event = NewEvent(type, _read(binary_file), id=event_id, metadata=known)
    else:
        event = NewEvent.raw_json(type, _json_text(json, file), id=event_id, metadata=known)
    async with session.connect() as mink:
        done = await mink.append(stream, [event], expected=expected)
    if session.json:
        output.write_json(
            output.to_json(
                {
                    "stream": stream,
                    "id": event.id,
                    "version": done.version,
                    "first_position": done.first_position,
                    "last_position": done.last_position,
                    "replayed": done.replayed,
                }
            )
        )
        return
    output.facts(
        ("stream", stream),
        ("version", done.version),
        ("position", done.last_position),
        ("id", event.id),
        ("replayed", "yes: it was there already" if done.replayed else "no"),
    )


def _json_text(json: str | None, file: Path | None) -> str:
    if json is not None and json != "-":
        return json
    data = _read(file or Path("-"))
    try:
        return data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise wrong_call(f"{file or 'standard input'} is not UTF-8, at byte {error.start}; --binary-file takes any bytes") from None


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror or error}") from error


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise wrong_call(f"--metadata: KEY=VALUE, not {text!r}")
        if key in pairs:
            raise wrong_call(f"--metadata: {key!r} is given twice")
        pairs[key] = value
    return pairs
