"""`mink snapshot show|delete`."""

import typer

from mink_client.cli import options, output
from mink_client.cli.asking import ask, may_ask
from mink_client.cli.command import command
from mink_client.cli.output import facts, to_json
from mink_client.cli.payload import member, shown
from mink_client.cli.session import Session
from mink_client.cli.text import clean, moment, timestamp


def register(snapshots: typer.Typer) -> None:
    """Adds the commands."""
    command(snapshots, "show")(_show)
    command(snapshots, "delete")(_delete)


async def _show(session: Session, stream: options.Stream) -> None:
    """Show the snapshot of a stream."""
    async with session.connect() as mink:
        found = await mink.load_snapshot(stream)
    if session.json:
        head = to_json(
            {
                "stream": found.stream,
                "version": found.version,
                "saved_at": timestamp(found.saved_at),
                "metadata": found.metadata,
            }
        )
        output.write_json(f"{head[:-1]},{member('state', found)}}}")
        return
    facts(
        ("stream", found.stream),
        ("version", found.version),
        ("saved at", moment(found.saved_at)),
        *((f"metadata {clean(key)}", value) for key, value in sorted(found.metadata.items())),
        ("state", shown(found)),
    )


async def _delete(session: Session, stream: options.Stream, yes: options.Yes = False) -> None:
    """Delete the snapshot of a stream; its events stay."""
    asking = may_ask(session, yes=yes)
    async with session.connect() as mink:
        if asking:
            found = await mink.load_snapshot(stream)
            ask(f"Delete the snapshot of {stream} at version {found.version}?")
        version = await mink.delete_snapshot(stream)
    if session.json:
        output.write_json(to_json({"stream": stream, "version": version}))
    else:
        output.write(clean(f"Deleted the snapshot of {stream} at version {version}."))
