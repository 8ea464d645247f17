"""Which events a reader, a subscriber or a projection wants."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


def category_of(stream: str) -> str:
    """The part of a stream's name before its first `-`, or the whole name."""
    return stream.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Partition:
    """The streams whose name hashes to a number.

    The hash is the first four bytes (the first one counts most) of the SHA-256 of the name in UTF-8, modulo `of`: Postgres and
    every language have it.

    Attributes:
        number: 0 to of - 1.
        of: How many partitions there are.
    """

    number: int
    of: int

    def has(self, stream: str) -> bool:
        """Whether a stream belongs to it."""
        return int.from_bytes(hashlib.sha256(stream.encode(), usedforsecurity=False).digest()[:4]) % self.of == self.number


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Chooses streams (by name, prefix or category; all, if none is given) and, of their events, types (all, if none is given).

    With a partition, only of those streams that belong to it.
    """

    streams: frozenset[str] = field(default_factory=frozenset)
    stream_prefixes: tuple[str, ...] = ()
    categories: frozenset[str] = field(default_factory=frozenset)
    types: frozenset[str] = field(default_factory=frozenset)
    partition: Partition | None = None

    @property
    def chooses_streams(self) -> bool:
        """Whether it leaves out streams, its partition aside."""
        return bool(self.streams or self.stream_prefixes or self.categories)

    def matches(self, stream: str, event_type: str) -> bool:
        """Whether an event passes."""
        if self.types and event_type not in self.types:
            return False
        if self.partition is not None and not self.partition.has(stream):
            return False
        return (
            not self.chooses_streams
            or stream in self.streams
            or (bool(self.categories) and category_of(stream) in self.categories)
            or (bool(self.stream_prefixes) and stream.startswith(self.stream_prefixes))
        )
