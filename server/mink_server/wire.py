"""The few pieces of protobuf's wire format that are written by hand, where a message would cost an object per event.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import Final


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL: Final = [_encode(i) for i in range(16384)]


def varint(value: int) -> bytes:
    """A number of zero or more."""
    return _SMALL[value] if value < 16384 else _encode(value)


def number(tag: bytes, value: int) -> bytes:
    """A number field; nothing if it is 0, as proto3 has it."""
    return tag + varint(value) if value else b""


def block(tag: bytes, data: bytes) -> bytes:
    """A field of a string, of bytes or of a message: tag, length, data."""
    return tag + varint(len(data)) + data


def timestamp(nanoseconds: int) -> bytes:
    """A google.protobuf.Timestamp; nanoseconds since 1970."""
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    return number(b"\x08", seconds) + number(b"\x10", nanos)
