"""Events as the bytes in which they are sent.

An event's frame is one element of a response's `events` (field 1 of ReadStreamResponse, ReadAllResponse and EventBatch),
its tag and length included, so that frames joined are a message:

    opening   tag of field 1, length of what follows
    position  field 1, fixed64      these 18 bytes are put in by Postgres, which alone knows them
    version   field 2, fixed64
    envelope  fields 3 to 7 (id, stream, type, recorded_at, metadata), tag and length of the payload
    payload   the payload's bytes

Postgres keeps the first four as `envelope` and the last as `payload`.
Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from mink_server.wire import block, timestamp, varint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mink_server.core.events import EventToAppend

FLAG_JSON: Final = 1
FLAG_FIRST: Final = 2
FLAG_LAST: Final = 4

_NUMBERS_SIZE: Final = 18
_pack_numbers = struct.Struct("<BqBq").pack


def stream_field(stream: str) -> bytes:
    """The field of an event that names its stream."""
    return block(b"\x22", stream.encode())


@lru_cache(maxsize=4096)
def _type_field(event_type: str) -> bytes:
    return block(b"\x2a", event_type.encode())


def timestamp_field(nanoseconds: int) -> bytes:
    """The field of an event that says when it was recorded; nanoseconds since 1970."""
    return block(b"\x32", timestamp(nanoseconds))


def _metadata_fields(metadata: Mapping[str, str]) -> bytes:
    return b"".join(
        block(b"\x3a", block(b"\x0a", key.encode()) + block(b"\x12", value.encode())) for key, value in metadata.items()
    )


class EncodedEvent(NamedTuple):
    """An event's bytes as far as they are known before its batch: what stands before and after the time of recording."""

    id: str
    type: str
    is_json: bool
    before: bytes
    after: bytes
    payload: bytes


def encode_event(event: EventToAppend, stream: bytes) -> EncodedEvent:
    """Encodes an event; `stream` is what `stream_field` gave."""
    payload = event.payload
    after = (b"\x42" if event.is_json else b"\x4a") + varint(len(payload))
    if event.metadata:
        after = _metadata_fields(event.metadata) + after
    before = b"".join((b"\x1a\x24", event.id.encode(), stream, _type_field(event.type)))
    return EncodedEvent(event.id, event.type, event.is_json, before, after, payload)


def finish_event(event: EncodedEvent, recorded_at: bytes) -> tuple[bytes, bytes]:
    """An event's opening and envelope; `recorded_at` is what `timestamp_field` gave."""
    envelope = event.before + recorded_at + event.after
    return b"\x0a" + varint(_NUMBERS_SIZE + len(envelope) + len(event.payload)), envelope


def frame(opening: bytes, position: int, version: int, envelope: bytes, payload: bytes) -> bytes:
    """The finished bytes of an event."""
    return b"".join((opening, _pack_numbers(0x09, position, 0x11, version), envelope, payload))
