"""Which events a reader or subscriber wants."""

from __future__ import annotations

from dataclasses import dataclass, field


def category_of(stream: str) -> str:
    """The part of a stream's name before its first `-`, or the whole name."""
    return stream.partition("-")[0]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Chooses streams (by name, prefix or category; all, if none is given) and, of their events, types (all, if none is given)."""

    streams: frozenset[str] = field(default_factory=frozenset)
    stream_prefixes: tuple[str, ...] = ()
    categories: frozenset[str] = field(default_factory=frozenset)
    types: frozenset[str] = field(default_factory=frozenset)

    @property
    def chooses_streams(self) -> bool:
        """Whether it leaves out streams."""
        return bool(self.streams or self.stream_prefixes or self.categories)

    def matches(self, stream: str, event_type: str) -> bool:
        """Whether an event passes."""
        if self.types and event_type not in self.types:
            return False
        return (
            not self.chooses_streams
            or stream in self.streams
            or (bool(self.categories) and category_of(stream) in self.categories)
            or (bool(self.stream_prefixes) and stream.startswith(self.stream_prefixes))
        )
