"""Options that several commands have, so that they are called and explained alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, TypedDict

import typer

from mink_client import ANY, NO_STREAM, STREAM_EXISTS, Expected
from mink_client.cli.errors import wrong_call
from mink_client.cli.output import Format

MOST: Final = 2**63 - 1

Server = Annotated[str, typer.Option("--server", envvar="MINK_SERVER", metavar="HOST:PORT", help="The server's address.")]
Tls = Annotated[bool | None, typer.Option("--tls/--no-tls", help="Speak TLS. Also MINK_TLS.", show_default=False)]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Who may have signed the server's certificate. Also MINK_CA_FILE.")
]
CertFile = Annotated[
    Path | None, typer.Option("--client-cert-file", metavar="FILE", help="This client's certificate. Also MINK_CLIENT_CERT_FILE.")
]
KeyFile = Annotated[Path | None, typer.Option("--client-key-file", metavar="FILE", help="Its key. Also MINK_CLIENT_KEY_FILE.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="Where the token stands. Also MINK_TOKEN_FILE, or MINK_TOKEN.")
]
Output = Annotated[Format, typer.Option("--output", "-o", help="A table for people, JSON for programs.")]
NonInteractive = Annotated[bool, typer.Option("--non-interactive", help="Never ask.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=86400, metavar="SECONDS", help="How long a call may take.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on standard error.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=0, metavar="N", help="At most so many; 0: all.")]
Backwards = Annotated[bool, typer.Option("--backwards", help="Newest first.")]

Stream = Annotated[str, typer.Argument(metavar="STREAM", help="The stream's name.", show_default=False)]
Projection = Annotated[str, typer.Argument(metavar="PROJECTION", help="The projection's name.", show_default=False)]

Streams = Annotated[list[str] | None, typer.Option("--stream", metavar="STREAM", help="Only this stream; repeatable.")]
Prefixes = Annotated[list[str] | None, typer.Option("--prefix", metavar="TEXT", help="Only streams that begin so; repeatable.")]
Categories = Annotated[
    list[str] | None,
    typer.Option("--category", metavar="TEXT", help="Only streams of this category (Order of Order-1); repeatable."),
]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only events of this type; repeatable.")]


class Filter(TypedDict):
    """The filter of a reading, as the client takes it."""

    streams: Sequence[str]
    stream_prefixes: Sequence[str]
    categories: Sequence[str]
    types: Sequence[str]


def event_filter(
    streams: list[str] | None, prefixes: list[str] | None, categories: list[str] | None, types: list[str] | None
) -> Filter:
    """The filter that the four options above make."""
    return {"streams": streams or (), "stream_prefixes": prefixes or (), "categories": categories or (), "types": types or ()}


_STATES: Final = {"any": ANY, "no-stream": NO_STREAM, "stream-exists": STREAM_EXISTS}


def expectation(text: str) -> Expected:
    """What `--expect` says: a state, or a version.

    Raises:
        Failure: It says neither.
    """
    state = _STATES.get(text.lower().replace("_", "-"))
    if state is not None:
        return state
    if text.isascii() and text.isdecimal() and int(text) <= MOST:
        return int(text)
    raise wrong_call(f"--expect: any, no-stream, stream-exists or a version (0, 1, 2 …), not {text!r}")
