"""The tokens file: who has which token or certificate, and what they may do with it.

A token is `mink_<id>_<secret>`. Its id finds it; of the secret only a SHA-256 is kept. That is enough: the secret is 256 random
bits, which nobody guesses however fast the hash is, so that a slow one would cost every call and protect nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from mink_server.core.access import Role
from mink_server.core.limits import MAX_STREAM_NAME
from mink_server.security.tokens_text import check_text, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 10_000
MAX_PREFIXES: Final = 100
MAX_NAME: Final = 100
MAX_CERTIFICATE_IDENTITY: Final = 500

# Characters of a token; those that mink makes have 82.
_MAX_TOKEN: Final = 200
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TOKEN: Final = re.compile(r"mink_([0-9A-Za-z]{1,64})_.+")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody with a token.

    Attributes:
        id: The part of the token that is no secret.
        name: Who they are. Several tokens may have one name, so that a token can be replaced while the old one still serves.
        sha256: Of the token, as 64 hexadecimal digits.
        roles: What they may do.
        prefixes: How the names of their streams begin; empty: all streams. The file then has no such field, never an empty list.
        created_at: When the token was made.
        expires_at: When it stops to count; None: never.
    """

    id: str
    name: str
    sha256: str
    roles: tuple[Role, ...]
    created_at: Moment
    prefixes: tuple[str, ...] = ()
    expires_at: Moment | None = None


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody with a client certificate.

    Attributes:
        name: Who they are.
        identity: What their certificate says: an alternative name (a URI such as spiffe://…, or a DNS name) or the common name.
        roles: What they may do.
        prefixes: How the names of their streams begin; empty: all streams. The file then has no such field, never an empty list.
        created_at: When this entry was made; None: not known.
    """

    name: str
    identity: str
    roles: tuple[Role, ...]
    prefixes: tuple[str, ...] = ()
    created_at: Moment | None = None


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the file holds."""

    tokens: tuple[Token, ...] = ()
    certificates: tuple[Certificate, ...] = ()


def decode(data: bytes) -> Tokens:
    """What a file holds.

    Raises:
        ValueError: It is not a tokens file; the text says what is wrong, and where.
    """
    check_text(data)
    try:
        found = msgspec.json.decode(data, type=Tokens)
    except msgspec.ValidationError as error:
        raise ValueError(in_words(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("is not JSON") from None
    check(found)
    return found


def encode(content: Tokens) -> bytes:
    """A file that holds it, for people to read too."""
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def new_token(
    name: str, roles: tuple[Role, ...], prefixes: tuple[str, ...], created_at: datetime, expires_at: datetime | None
) -> tuple[Token, str]:
    """A new entry, and the token itself, which nobody can find out from the entry."""
    token_id = secrets.token_hex(_ID_BYTES)
    text = f"mink_{token_id}_{secrets.token_hex(_SECRET_BYTES)}"
    return Token(token_id, name, digest(text).hex(), roles, created_at, prefixes, expires_at), text


def digest(token: str) -> bytes:
    """The SHA-256 of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def id_of(token: str) -> str:
    """The id in a token; empty if it has none."""
    found = _TOKEN.fullmatch(token) if len(token) <= _MAX_TOKEN else None
    return found.group(1) if found else ""


def check(content: Tokens) -> None:
    """Checks what types cannot say.

    Raises:
        ValueError: Something is wrong; the text says where.
    """
    if len(content.tokens) + len(content.certificates) > MAX_ENTRIES:
        raise ValueError(f"has more than {MAX_ENTRIES} entries")
    ids: set[str] = set()
    for i, token in enumerate(content.tokens):
        _raise_first(f"tokens[{i}]", chain(_problems_of_token(token, ids), _problems(token)))
        ids.add(token.id)
    identities: set[str] = set()
    for i, certificate in enumerate(content.certificates):
        _raise_first(f"certificates[{i}]", chain(_problems_of_certificate(certificate, identities), _problems(certificate)))
        identities.add(certificate.identity)


def _raise_first(where: str, problems: Iterator[str]) -> None:
    for problem in problems:
        raise ValueError(f"{where}.{problem}")


def _problems_of_token(token: Token, before: set[str]) -> Iterator[str]:
    if not re.fullmatch(r"[0-9A-Za-z]{1,64}", token.id):
        yield "id: must be 1 to 64 letters and digits"
    if token.id in before:
        yield "id: an entry before has the same"
    if not re.fullmatch(r"[0-9a-f]{64}", token.sha256):
        yield "sha256: must be 64 hexadecimal digits, in lower case"


def _problems_of_certificate(certificate: Certificate, before: set[str]) -> Iterator[str]:
    yield from _problems_of_text("identity", certificate.identity, MAX_CERTIFICATE_IDENTITY)
    if certificate.identity in before:
        yield "identity: an entry before has the same"


def _problems(entry: Token | Certificate) -> Iterator[str]:
    yield from _problems_of_text("name", entry.name, MAX_NAME)
    if not entry.name.isprintable():  # it stands in log lines
        yield "name: must be printable"
    if not entry.roles:
        yield "roles: must have at least one of " + ", ".join(Role)
    if len(entry.prefixes) > MAX_PREFIXES:
        yield f"prefixes: has {len(entry.prefixes)} entries, at most {MAX_PREFIXES} are allowed"
    for i, prefix in enumerate(entry.prefixes):
        yield from _problems_of_text(f"prefixes[{i}]", prefix, MAX_STREAM_NAME)


def _problems_of_text(field: str, text: str, longest: int) -> Iterator[str]:
    if not text:
        yield f"{field}: must not be empty"
    if len(text) > longest:
        yield f"{field}: has {len(text)} characters, at most {longest} are allowed"
    if _CONTROL.search(text):
        yield f"{field}: must not have control characters"
