"""Keeps a status within what gRPC lets through: it travels as metadata, of which clients take 8 KiB, and else lose all of it.

The message is sent twice: escaped as `grpc-message`, and in the status with its details as base64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from mink.v1 import errors_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.rpc import status_pb2

# Bytes of all that Mink sends, so that there is room for gRPC's own keys and for a proxy's.
_MOST: Final = 7000
_MESSAGE: Final = 1400
_PLAIN: Final = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_CUT: Final = "…"


def short(text: str) -> str:
    """A message, cut so that it is not too long when gRPC has escaped it."""
    if len(text) <= _MESSAGE and _escaped(text) <= _MESSAGE:
        return text
    left = _MESSAGE - _escaped(_CUT)
    for i, character in enumerate(text):
        left -= _escaped(character)
        if left < 0:
            return text[:i] + _CUT
    return text


def add(status: status_pb2.Status, detail: Message) -> None:
    """Adds a detail as far as there is room: of a list the last ones are left out, and a detail that has no room at all."""
    room = (_MOST - _escaped(status.message)) * 3 // 4 - status.ByteSize() - 100
    _shorten(detail, room)
    if detail.ByteSize() <= room:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)


def _shorten(detail: Any, room: int) -> None:
    if isinstance(detail, error_details_pb2.BadRequest):
        entries = detail.field_violations
    elif isinstance(detail, errors_pb2.WrongExpectedVersion):
        entries = detail.violations
    else:
        return
    for i, entry in enumerate(entries):
        room -= entry.ByteSize() + 4
        if room < 0:
            del entries[i:]
            return


def _escaped(text: str) -> int:
    """Bytes of a text as gRPC sends it: what is not printable ASCII, and %, takes three a byte."""
    return len(quote(text, safe=_PLAIN, errors="replace"))
