"""`mink stream delete|truncate`: removing events for good."""

from typing import Annotated

import typer

from mink_client import NO_STREAM, Removed
from mink_client.cli import options, output
from mink_client.cli.asking import ask, may_ask
from mink_client.cli.command import command
from mink_client.cli.errors import wrong_call
from mink_client.cli.output import to_json
from mink_client.cli.progress import working
from mink_client.cli.session import Session
from mink_client.cli.text import clean

_REMOVING_TIMEOUT = 300.0


def register(streams: typer.Typer) -> None:
    """Adds the commands."""
    command(streams, "delete", timeout=_REMOVING_TIMEOUT)(_delete)
    command(streams, "truncate", timeout=_REMOVING_TIMEOUT)(_truncate)


async def _delete(
    session: Session,
    stream: options.Stream,
    expect: Annotated[
        str, typer.Option("--expect", metavar="stream-exists|any|N", help="What the stream must be; N: its version.")
    ] = "stream-exists",
    tombstone: Annotated[bool, typer.Option("--tombstone", help="Nothing can be appended under this name ever again.")] = False,
    yes: options.Yes = False,
) -> None:
    """Remove all events of a stream and its snapshot, for good.

    Without --tombstone the name can be used again; versions then go on after those that were there.
    """
    expected = options.expectation(expect)
    if expected is NO_STREAM:
        raise wrong_call("--expect: no-stream leaves nothing to delete")
    asking = may_ask(session, yes=yes)
    async with session.connect() as mink:
        if asking:
            info = await mink.get_stream(stream)
            ask(f"Delete the stream {stream} with {_events(info.events)}, for good{_never_again(tombstone)}?")
        with working("Deleting"):
            removed = await mink.delete_stream(stream, expected=expected, tombstone=tombstone)
    _show(session, stream, removed, "Deleted")


async def _truncate(
    session: Session,
    stream: options.Stream,
    before: Annotated[int, typer.Option("--before", min=1, metavar="VERSION", help="The first version to keep.")],
    yes: options.Yes = False,
) -> None:
    """Remove the events of a stream before a version, for good."""
    asking = may_ask(session, yes=yes)
    async with session.connect() as mink:
        if asking:
            info = await mink.get_stream(stream)
            ask(f"Remove the events of {stream} before version {before} (it has {info.first_version} to {info.version}), for good?")
        with working("Truncating"):
            removed = await mink.truncate_stream(stream, before_version=before)
    _show(session, stream, removed, "Truncated")


def _events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"


def _never_again(tombstone: bool) -> str:
    return ", and never use its name again" if tombstone else ""


def _show(session: Session, stream: str, removed: Removed, done: str) -> None:
    if session.json:
        output.write_json(to_json({"stream": stream, "removed": removed.removed, "version": removed.version}))
    else:
        output.write(clean(f"{done} {stream}: removed {_events(removed.removed)}; its version is {removed.version}."))
