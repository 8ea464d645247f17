"""Whether bytes are JSON."""

from __future__ import annotations

import json
from typing import Final

import msgspec

_check: Final = msgspec.json.Decoder(msgspec.Raw).decode


def is_json(data: bytes) -> bool:
    """Whether bytes are one JSON text."""
    try:
        _check(data)
    except (msgspec.DecodeError, RecursionError):
        return _is_unusual_json(data)
    return True


def _is_unusual_json(data: bytes) -> bool:
    """JSON that the quick check refuses although it is: lone surrogates in escapes, which some producers make of cut text."""
    if b"\\u" not in data:
        return False

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(data.decode(), parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True
