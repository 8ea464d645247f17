"""The work that every system does: the same payload, the same streams."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_TYPE = "OrderPlaced"
SIZE = 256
TEN, THOUSAND = "Order-ten", "Order-thousand"

_HEAD, _MIDDLE, _TAIL = b'{"sent":"', b'","pad":"', b'"}'
_DIGITS = 20
_PAD = b"x" * (SIZE - len(_HEAD) - _DIGITS - len(_MIDDLE) - len(_TAIL))


def payload() -> bytes:
    """256 bytes of JSON, which carry the time at which they were made."""
    return _HEAD + b"%020d" % time.perf_counter_ns() + _MIDDLE + _PAD + _TAIL


def sent_at(data: bytes | str) -> int:
    """The time in a payload, in nanoseconds of this machine's monotonic clock."""
    return int(data[len(_HEAD) : len(_HEAD) + _DIGITS])


def new_stream() -> str:
    """A stream that nobody has written to."""
    return f"Order-{uuid.uuid4()}"


def plan(events: int, batch: int = 10) -> Iterator[tuple[str, int]]:
    """Appends (stream, number of events) that fill a log: short streams, and two of 10 and 1,000 events spread among them."""
    streams = max(events // batch, 100)
    slices = 100
    for index in range(slices):
        for stream in range(streams * index // slices, streams * (index + 1) // slices):
            yield f"Order-{stream}", batch
        yield THOUSAND, 10
        if index % 10 == 0:
            yield TEN, 1
