"""A batch of appends as the arrays that `append_v1` takes, and its answer given back to each append."""

from __future__ import annotations

from dataclasses import dataclass
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
from mink_server.storage.encoding import FLAG_FIRST, FLAG_JSON, FLAG_LAST, encode_event, frame, stream_field, timestamp_field

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
    """

    first: int
    frames: list[bytes]
    keys: list[tuple[str, str]]

    @property
    def last(self) -> int:
        """Position of the last event."""
        return self.first + len(self.frames) - 1


class Batch:
    """Appends that go to the database together. An event id occurs at most once in a batch (the writer sees to that)."""

    def __init__(self, appends: Sequence[Append], now_ns: int) -> None:
        self.appends = appends
        self._streams: list[str] = []
        self._openings: list[bytes] = []
        self._envelopes: list[bytes] = []
        self._payloads: list[bytes] = []
        self.arguments = self._arguments(now_ns)

    @property
    def event_count(self) -> int:
        """How many events it has."""
        return len(self._payloads)

    def _arguments(self, now_ns: int) -> tuple[Any, ...]:
        numbers: list[int] = []
        settles: list[int] = []
        previous: list[int] = []
        expected: list[int] = []
        counts: list[int] = []
        writes: list[int] = []
        indexes: list[int] = []
        ids: list[str] = []
        types: list[str] = []
        flags: list[int] = []
        last_write_of: dict[str, int] = {}
        recorded_at = timestamp_field(now_ns)
        streams, openings, envelopes, payloads = self._streams, self._openings, self._envelopes, self._payloads
        for number, append in enumerate(self.appends, 1):
            first_event = len(ids)
            for write in append.writes:
                stream = write.stream
                streams.append(stream)
                ordinal = len(streams)
                numbers.append(number)
                settles.append(0)
                previous.append(last_write_of.get(stream, 0))
                last_write_of[stream] = ordinal
                expected.append(write.expected)
                counts.append(len(write.events))
                stream_bytes = stream_field(stream)
                for index, event in enumerate(write.events, 1):
                    opening, envelope = encode_event(event, stream_bytes, recorded_at)
                    writes.append(ordinal)
                    indexes.append(index)
                    ids.append(event.id)
                    types.append(event.type)
                    flags.append(FLAG_JSON if event.is_json else 0)
                    openings.append(opening)
                    envelopes.append(envelope)
                    payloads.append(event.payload)
            settles[-1] = len(append.writes)
            if len(ids) > first_event:
                flags[first_event] |= FLAG_FIRST
                flags[-1] |= FLAG_LAST
        moment = _EPOCH + timedelta(microseconds=now_ns // 1000)
        return (
            moment, numbers, settles, streams, previous, expected, counts,
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
        write = event = 0
        for append in self.appends:
            end = write + len(append.writes)
            codes = outcomes[write:end]
            if not any(codes) or codes[0] == _REPLAYED:
                replayed = codes[0] == _REPLAYED
                placed = []
                for w, version, last in zip(append.writes, versions[write:end], positions[write:end], strict=True):
                    count = len(w.events)
                    placed.append(WriteResult(version, last - count + 1 if count else 0, last))
                    if not replayed:
                        for i, e in enumerate(w.events):
                            at = event + i
                            frames.append(
                                frame(
                                    self._openings[at],
                                    last - count + 1 + i,
                                    version - count + 1 + i,
                                    self._envelopes[at],
                                    e.payload,
                                )
                            )
                            keys.append((w.stream, e.type))
                    event += count
                results.append(AppendResult(placed, replayed))
            else:
                results.append(self._failure(append, codes, versions[write:end], conflicts[write:end]))
                event += append.event_count
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
