"""Events to append, appends, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mink_server.core.errors import MinkError


@dataclass(slots=True)
class EventToAppend:
    """An event that was checked: `id` is a canonical UUID, `payload` its bytes as they came, `size` what counts for the limits."""

    id: str
    type: str
    payload: bytes
    is_json: bool
    metadata: Mapping[str, str] | None
    size: int


@dataclass(slots=True)
class StreamWrite:
    """One stream's part of an append. Without events, the stream is only checked."""

    stream: str
    expected: int
    events: list[EventToAppend]


@dataclass(slots=True)
class WriteResult:
    """Where one write's events are; positions are 0 if it was only checked."""

    version: int
    first_position: int
    last_position: int


@dataclass(slots=True)
class AppendResult:
    """Where the events of an append are, a `WriteResult` for each write."""

    writes: list[WriteResult]
    replayed: bool

    @property
    def first_position(self) -> int:
        """The position of the append's first event."""
        return next(w.first_position for w in self.writes if w.first_position)

    @property
    def last_position(self) -> int:
        """The position of the append's last event."""
        return max(w.last_position for w in self.writes)


@dataclass(slots=True, eq=False)
class Append:
    """An append on its way: what to write, how long it may wait, whom to tell.

    Attributes:
        writes: Its streams, each at most once.
        done: Called once, in the event loop, when `outcome` is there.
        deadline: Loop time after which it must not be sent to the database any more.
        request_id: The caller's number for it, in a session.
        outcome: What became of it.
        abandoned: Set by a caller that has left; an append that was not sent yet is then dropped.
        span: What traces know of it, if it is traced; nothing else looks at it.
    """

    writes: list[StreamWrite]
    done: Callable[[Append], None]
    deadline: float
    request_id: int = 0
    outcome: AppendResult | MinkError | None = field(default=None)
    abandoned: bool = False
    span: Any = None

    def finish(self, outcome: AppendResult | MinkError) -> None:
        """Says what became of it, and tells the caller."""
        self.outcome = outcome
        self.done(self)
