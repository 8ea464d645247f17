"""`mink token`: changes the tokens file, which servers read again by themselves."""

from __future__ import annotations

import errno
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from mink_client.cli.errors import Failure, wrong_call
from mink_client.cli.options import NonInteractive, Output  # noqa: TC002 - typer reads the annotations
from mink_client.cli.output import Column, Format, JsonArray, Rows, to_json, write, write_json
from mink_client.cli.text import clean, moment, timestamp

from mink_server.core.access import Role  # noqa: TC001 - as above
from mink_server.core.paths import HOLDS_CONTENT, is_content
from mink_server.security import editing
from mink_server.security.errors import SecurityFileError
from mink_server.security.tokens import Certificate, Token, Tokens, new_token

if TYPE_CHECKING:
    from collections.abc import Callable

token = typer.Typer(no_args_is_help=True, help="Say who may call a server, and what they may do: tokens and client certificates.")

_SETTING: Final = "MINK_TOKENS_FILE"
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SOON: Final = timedelta(days=14)
_LONGEST: Final = timedelta(days=36_500)
_MOST_DIGITS: Final = 8

File = Annotated[Path | None, typer.Option("--file", envvar=_SETTING, metavar="FILE", help="The tokens file.", show_default=False)]


@token.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is for. Example: billing.", show_default=False)],
    role: Annotated[
        list[Role], typer.Option("--role", help="What they may do; repeatable. admin includes all.", show_default=False)
    ],
    prefix: Annotated[
        list[str] | None,
        typer.Option(
            "--prefix", metavar="TEXT", help="Only with streams that begin so; repeatable. Not given: all.", show_default=False
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="How long it counts: 30m, 12h, 90d, 4w.", show_default="for ever"),
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option(
            "--certificate",
            metavar="IDENTITY",
            help="No token: they have a client certificate with this URI, DNS name or common name.",
            show_default=False,
        ),
    ] = None,
    file: File = None,
    output: Output = Format.TABLE,
    non_interactive: NonInteractive = False,  # noqa: ARG001 - it never asks; the flag is there for scripts
) -> None:
    """Makes a token and prints it, once; or lets the holder of a client certificate in."""
    now = datetime.now(UTC).replace(microsecond=0)
    roles, prefixes = tuple(dict.fromkeys(role)), tuple(dict.fromkeys(prefix or ()))
    if certificate is not None:
        if expires is not None:
            raise wrong_call("--expires goes with a token: a certificate says itself when it expires")
        entry = Certificate(name, certificate, roles, prefixes, now)
        _change(file, lambda content: msgspec.structs.replace(content, certificates=(*content.certificates, entry)), new=True)
        if output is Format.JSON:
            write_json(to_json(_as_json(entry, now)))
        _say(f"Whoever has a certificate of {certificate} is {name} now.")
        return
    expires_at = None if expires is None else now + _duration(expires)
    made, text = new_token(name, roles, prefixes, now, expires_at)
    _change(file, lambda content: msgspec.structs.replace(content, tokens=(*content.tokens, made)), new=True)
    if output is Format.JSON:
        write_json(to_json({**_as_json(made, now), "token": text}))
    else:
        write(text)
    _say(f"Made the token {made.id} for {name}. It is shown this once; keep it where secrets are kept.")


@token.command("list")
def list_(
    file: File = None,
    output: Output = Format.TABLE,
    non_interactive: NonInteractive = False,  # noqa: ARG001 - as above
) -> None:
    """Shows who may call, and what they may do. No token can be shown: the file does not hold them."""
    content = _load(_path(file))
    now = datetime.now(UTC)
    columns = ("ID", "NAME", "ROLES", "STREAMS", "CREATED AT", "EXPIRES AT", "STATE", "CERTIFICATE")
    with JsonArray() if output is Format.JSON else Rows(*map(Column, columns)) as writer:
        for entry in _entries(content):
            if isinstance(writer, JsonArray):
                writer.add(to_json(_as_json(entry, now)))
                continue
            streams = ", ".join(f"{prefix}…" for prefix in entry.prefixes) or "all"
            writer.add(
                entry.id if isinstance(entry, Token) else "",
                entry.name,
                ", ".join(entry.roles),
                streams,
                moment(entry.created_at),
                moment(entry.expires_at) if isinstance(entry, Token) else "",
                _state(entry, now),
                "" if isinstance(entry, Token) else entry.identity,
            )


@token.command()
def revoke(
    which: Annotated[
        str, typer.Argument(metavar="ID|NAME", help="A token's id; or a name, or a certificate's identity.", show_default=False)
    ],
    file: File = None,
    output: Output = Format.TABLE,
    non_interactive: NonInteractive = False,  # noqa: ARG001 - as above
) -> None:
    """Takes a token or certificate back. Running servers know within seconds, and end the calls that are open with it."""
    removed: list[Token | Certificate] = []

    def change(content: Tokens) -> Tokens:
        entries = _entries(content)
        found = [e for e in entries if which == _handle(e)] or [e for e in entries if which == e.name]
        if not found:
            raise Failure(f"there is no token or certificate of {which!r}")
        if len(found) > 1:
            handles = ", ".join(map(_handle, found))
            raise Failure(f"{which!r} has several; say which: {handles}")
        removed.extend(found)
        return Tokens(tuple(t for t in content.tokens if t not in found), tuple(c for c in content.certificates if c not in found))

    _change(file, change)
    now = datetime.now(UTC)
    for entry in removed:
        if output is Format.JSON:
            write_json(to_json(_as_json(entry, now)))
        kind = "token" if isinstance(entry, Token) else "certificate"
        _say(f"Revoked the {kind} {_handle(entry)} of {entry.name}.")


def _entries(content: Tokens) -> list[Token | Certificate]:
    return [*content.tokens, *content.certificates]


def _handle(entry: Token | Certificate) -> str:
    """What no other entry has."""
    return entry.id if isinstance(entry, Token) else entry.identity


def _path(file: Path | None) -> Path:
    if file is None:
        raise wrong_call(f"say which file: --file, or {_SETTING}")
    if is_content(str(file)):
        raise wrong_call(f"--file ({_SETTING}): {HOLDS_CONTENT}")
    return file


def _load(path: Path) -> Tokens:
    try:
        return editing.load(_SETTING, path)
    except SecurityFileError as error:
        raise Failure(str(error)) from None
    except ValueError as error:
        raise Failure(f"{path}: {error}") from None


def _change(file: Path | None, change: Callable[[Tokens], Tokens], *, new: bool = False) -> None:
    """Changes the file; `new`: it may be missing."""
    path = _path(file)
    try:
        with editing.locked(path):
            content = Tokens() if new and not path.exists() else _load(path)
            editing.save(path, change(content))
    except editing.LockedError:
        raise Failure(f"{path}: somebody else has been changing it for 10 seconds; try again") from None
    except OSError as error:
        # Too long for a path: it may be a secret that stands where a path belongs.
        where = "" if error.errno == errno.ENAMETOOLONG else f" {path}:"
        raise Failure(f"--file ({_SETTING}):{where} {error.strerror or type(error).__name__}") from None
    except ValueError as error:
        raise wrong_call(str(error).partition(".")[2] or str(error)) from None


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"0*([1-9][0-9]*)([mhdw])", text)
    if found is None:
        raise wrong_call(f"--expires: a number with m, h, d or w, such as 90d, not {text[:50]!r}")
    number = found.group(1)
    # Years of more digits than these cannot be counted with.
    after = timedelta(**{_UNITS[found.group(2)]: int(number)}) if len(number) <= _MOST_DIGITS else timedelta.max
    if after > _LONGEST:
        raise wrong_call(f"--expires: at most 100 years ({_LONGEST.days}d); without it, the token counts for ever")
    return after


def _state(entry: Token | Certificate, now: datetime) -> str:
    expires = entry.expires_at if isinstance(entry, Token) else None
    if expires is None or expires > now + _SOON:
        return "valid"
    return "expires soon" if expires > now else "expired"


def _as_json(entry: Token | Certificate, now: datetime) -> dict[str, Any]:
    kind = {"id": entry.id} if isinstance(entry, Token) else {"certificate": entry.identity}
    return {
        **kind,
        "name": entry.name,
        "roles": list(entry.roles),
        "prefixes": list(entry.prefixes),
        "created_at": timestamp(entry.created_at),
        "expires_at": timestamp(entry.expires_at) if isinstance(entry, Token) else None,
        "state": _state(entry, now),
    }


def _say(line: str) -> None:
    sys.stderr.write(clean(line) + "\n")
