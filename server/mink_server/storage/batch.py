"""A batch of appends as the arrays that `append_v1` takes, and its answer given back to each append."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import (
    EventIdConflictError,
    ExpectationViolation,
    MinkError,
    StreamDeletedError,
    WrongExpectedVersionError,
)
from mink_server.core.events import Append, AppendResult, WriteResult
from mink_server.storage.encoding import (
    FLAG_FIRST,
    FLAG_JSON,
    FLAG_LAST,
    EncodedEvent,
    encode_event,
    finish_event,
    frame,
    stream_field,
    timestamp_field,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REPLAYED, _NOT_AS_EXPECTED, _ID_IN_USE, _TOMBSTONE = 1, 2, 3, 4


@dataclass(slots=True)
class Chunk:
    """Events that follow each other in the log without a hole, as finished bytes.

    Attributes:
        first: Position of the first event.
        frames: The events' bytes.
        keys: Stream and type of each event, for filters.
        size: Bytes of all frames.
    """

    first: int
    frames: list[bytes]
    keys: list[tuple[str, str]]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.frames))

    @property
    def last(self) -> int:
        """Position of the last event."""
        return self.first + len(self.frames) - 1


class Waiting:
    """An append that waits, with its events encoded: done on arrival, while Postgres works on the batch before."""

    __slots__ = ("append", "arrived", "events", "ids", "size")

    def __init__(self, append: Append) -> None:
        self.append = append
        self.arrived = time.perf_counter()
        self.events: list[list[EncodedEvent]] = []
        self.size = 0
        for write in append.writes:
            stream = stream_field(write.stream)
            self.events.append([encode_event(event, stream) for event in write.events])
            for event in write.events:
                self.size += event.size
        self.ids = [event.id for events in self.events for event in events]


def has_replays(answer: Any) -> bool:
    """Whether `append_v1` found an append of the batch in the log already."""
    return _REPLAYED in answer["outcomes"]


class Batch:
    """Appends that go to the database together.

    Args:
        waiting: The appends. An event id occurs at most once among them (the writer sees to that).
        now_ns: The time of recording, in nanoseconds since 1970, whole microseconds.
        server: This server's id.
        sent_at: The head that this server knows.
    """

    def __init__(self, waiting: Sequence[Waiting], now_ns: int, server: str, sent_at: int = 0) -> None:
        self.waiting = waiting
        self.sent_at = sent_at
        self._openings: list[bytes] = []
        self._envelopes: list[bytes] = []
        self.arguments = self._arguments(now_ns, server)

    def _arguments(self, now_ns: int, server: str) -> tuple[Any, ...]:
        numbers: list[int] = []
        settles: list[int] = []
        streams: list[str] = []
        previous: list[int] = []
        expected: list[int] = []
        counts: list[int] = []
        writes: list[int] = []
        indexes: list[int] = []
        ids: list[str] = []
        types: list[str] = []
        flags: list[int] = []
        payloads: list[bytes] = []
        last_write_of: dict[str, int] = {}
        recorded_at = timestamp_field(now_ns)
        openings, envelopes = self._openings, self._envelopes
        for number, waiting in enumerate(self.waiting, 1):
            first_event = len(ids)
            for write, events in zip(waiting.append.writes, waiting.events, strict=True):
                stream = write.stream
                streams.append(stream)
                ordinal = len(streams)
                numbers.append(number)
                settles.append(0)
                previous.append(last_write_of.get(stream, 0))
                last_write_of[stream] = ordinal
                expected.append(write.expected)
                counts.append(len(events))
                for index, event in enumerate(events, 1):
                    opening, envelope = finish_event(event, recorded_at)
                    writes.append(ordinal)
                    indexes.append(index)
                    ids.append(event.id)
                    types.append(event.type)
                    flags.append(FLAG_JSON if event.is_json else 0)
                    openings.append(opening)
                    envelopes.append(envelope)
                    payloads.append(event.payload)
            settles[-1] = len(waiting.events)
            if len(ids) > first_event:
                flags[first_event] |= FLAG_FIRST
                flags[-1] |= FLAG_LAST
        moment = _EPOCH + timedelta(microseconds=now_ns // 1000)
        return (
            moment, server, numbers, settles, streams, previous, expected, counts,
            writes, indexes, ids, types, flags, openings, envelopes, payloads,
        )  # fmt: skip

    def outcomes(self, answer: Sequence[Any]) -> tuple[list[AppendResult | MinkError], Chunk | None]:
        """What became of each append, and the events that are now in the log.

        Args:
            answer: The row that `append_v1` returned.
        """
        outcomes, versions, positions, conflicts, head = answer
        results: list[AppendResult | MinkError] = []
        frames: list[bytes] = []
        keys: list[tuple[str, str]] = []
        write = at = 0
        for waiting in self.waiting:
            append = waiting.append
            end = write + len(append.writes)
            codes = outcomes[write:end]
            if any(codes) and codes[0] != _REPLAYED:
                results.append(self._failure(append, codes, versions[write:end], conflicts[write:end]))
                at += len(waiting.ids)
            else:
                placed = []
                for w, events in zip(append.writes, waiting.events, strict=True):
                    count = len(events)
                    version, last = versions[write], positions[write]
                    placed.append(WriteResult(version, last - count + 1 if count else 0, last))
                    if codes[0] != _REPLAYED:
                        for i, event in enumerate(events, 1 - count):
                            frames.append(frame(self._openings[at], last + i, version + i, self._envelopes[at], event.payload))
                            keys.append((w.stream, event.type))
                            at += 1
                    else:
                        at += count
                    write += 1
                results.append(AppendResult(placed, codes[0] == _REPLAYED))
            write = end
        return results, Chunk(head - len(frames) + 1, frames, keys) if frames else None

    @staticmethod
    def _failure(append: Append, codes: list[int], versions: list[int], conflicts: list[Any]) -> MinkError:
        for code, conflict in zip(codes, conflicts, strict=True):
            if code == _ID_IN_USE:
                return EventIdConflictError(str(conflict))
        for code, write in zip(codes, append.writes, strict=True):
            if code == _TOMBSTONE:
                return StreamDeletedError(write.stream, tombstoned=True)
        return WrongExpectedVersionError(
            [
                ExpectationViolation(write.stream, write.expected, version)
                for code, write, version in zip(codes, append.writes, versions, strict=True)
                if code == _NOT_AS_EXPECTED
            ]
        )
