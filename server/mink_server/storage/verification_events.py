"""Checks events in the order of positions: the bytes of each against its columns, and each against those before it.

Nothing here asks the database. What cannot be told from the events seen so far is noted as a question.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError
from mink.v1.event_pb2 import RecordedEvent

from mink_server.core.json_text import is_json
from mink_server.core.verification import FaultFound, FaultKind
from mink_server.storage.encoding import FLAG_FIRST, FLAG_JSON, FLAG_LAST
from mink_server.wire import varint

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Streams whose newest version is remembered, twice as many at most: some 20 MB.
_REMEMBERED: Final = 100_000


class Question(NamedTuple):
    """Whether the event before an event of the same stream is there, at a lower position."""

    stream_id: int
    stream: str
    version: int
    """The version of the event before."""
    position: int
    """The position of the event after it."""


class EventChecker:
    """Checks events. It remembers the newest version of the streams seen last, and no more.

    Args:
        remembered: Of how many streams; of up to twice as many.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self.events = 0
        self._remembered = remembered
        self._newest: dict[int, int] = {}
        self._newest_before: dict[int, int] = {}
        # Of the event before: its position, whether it ends its append, when it was recorded.
        self._position = 0
        self._ended = True
        self._recorded_at = _EPOCH
        self._recorded = (0, 0)

    def check(self, rows: Sequence[Any], questions: list[Question]) -> None:
        """Checks a page as `verify_events.sql` gives it.

        Args:
            rows: The page.
            questions: Takes what the events leave open, those before a fault as well.

        Raises:
            FaultFound: An event is not as it should be.
        """
        for row in rows:
            if row["stream"] is None:
                message = f"the event at {row['position']} belongs to a stream that is not there"
                raise FaultFound(FaultKind.STRAY_EVENT, message, row["position"])
            recorded = self._recorded if row["recorded_at"] == self._recorded_at else _since_epoch(row["recorded_at"])
            _check_bytes(row, recorded)
            self._check_append(row, recorded)
            if row["version"] < 1:
                raise _fault(row, FaultKind.WRONG_ORDER, f"has version {row['version']}")
            # Versions up to the floor were removed; what is still there of them is looked at in the end.
            if row["version"] > row["floor"]:
                self._check_version(row, questions)
            self._position = row["position"]
            self._ended = row["flags"] & FLAG_LAST != 0
            self._recorded_at, self._recorded = row["recorded_at"], recorded
            self.events += 1

    def end(self, head: int) -> None:
        """Checks that the log does not end in the middle of an append.

        Raises:
            FaultFound: It does.
        """
        if self._position == head and not self._ended:
            message = f"the append of the newest event, {head}, has lost its last event"
            raise FaultFound(FaultKind.MISSING_EVENT, message, head + 1)

    def _check_append(self, row: Any, recorded: tuple[int, int]) -> None:
        """Events of one append lie side by side: the first says so, the last says so, and all were recorded at one time."""
        position = row["position"]
        if position <= self._position:
            what = "that another event has, too" if position > 0 else "below 1"
            raise _fault(row, FaultKind.WRONG_ORDER, f"has a position {what}")
        if row["by_id"] != position or row["by_version"] != position:
            index = "id" if row["by_id"] != position else "version"
            message = f"is not the one that the index of {index}s finds: it is damaged (REINDEX), or has two events of one {index}"
            raise _fault(row, FaultKind.CONTRADICTION, message)
        if position != self._position + 1:
            return  # those in between were removed
        first = row["flags"] & FLAG_FIRST != 0
        if first and not self._ended:
            raise _fault(row, FaultKind.CONTRADICTION, "begins an append, and the event before it does not end one")
        if self._ended and not first:
            raise _fault(row, FaultKind.CONTRADICTION, "goes on with an append, and the event before it ends one")
        if not first and recorded != self._recorded:
            message = "was recorded at another time than the event before it in the same append"
            raise _fault(row, FaultKind.CONTRADICTION, message)

    def _check_version(self, row: Any, questions: list[Question]) -> None:
        position, stream_id, version, floor = row["position"], row["stream_id"], row["version"], row["floor"]
        newest = self._newest.get(stream_id) or self._newest_before.get(stream_id, 0)
        if newest >= version:
            raise _fault(row, FaultKind.WRONG_ORDER, f"has version {version}, and its stream was at {newest} before")
        if version == 1 and position != stream_id:
            message = f"is the first of its stream, which by its row begins at {stream_id}"
            raise _fault(row, FaultKind.WRONG_STREAM, message)
        if position < stream_id + version - 1:
            raise _fault(row, FaultKind.WRONG_ORDER, f"has version {version}, and its stream begins at {stream_id}")
        if version > floor + 1 and newest != version - 1:
            questions.append(Question(stream_id, row["stream"], version - 1, position))
        self._newest[stream_id] = version
        if len(self._newest) > self._remembered:
            self._newest_before, self._newest = self._newest, {}


def _fault(row: Any, kind: FaultKind, message: str) -> FaultFound:
    position = row["position"]
    return FaultFound(kind, f"the event at {position} {message}", position, row["stream"], row["version"])


def _since_epoch(moment: datetime) -> tuple[int, int]:
    """Seconds and nanoseconds since 1970."""
    since = moment - _EPOCH
    return since.days * 86_400 + since.seconds, since.microseconds * 1000


def _check_bytes(row: Any, recorded: tuple[int, int]) -> None:
    """An event's bytes against its columns; `recorded` is the column's time."""
    envelope, payload = row["envelope"], row["payload"]
    json = row["flags"] & FLAG_JSON
    opening = _opening(len(envelope) + len(payload))
    if not envelope.startswith(opening):
        raise _fault(row, FaultKind.BROKEN_EVENT, "does not begin with its length")
    if not envelope.endswith(_closing(json, len(payload))):
        if envelope.endswith(_closing(json ^ FLAG_JSON, len(payload))):
            raise _fault(row, FaultKind.CONTRADICTION, "has a payload of another kind in its column than in its bytes")
        raise _fault(row, FaultKind.BROKEN_EVENT, "has a payload of another length than its bytes say")
    body = envelope[len(opening) :] + payload
    try:
        event = RecordedEvent.FromString(body)
    except DecodeError:
        raise _fault(row, FaultKind.BROKEN_EVENT, "cannot be decoded") from None
    told = (event.position, event.version, event.id, event.stream, event.type)
    kept = (row["position"], row["version"], str(row["event_id"]), row["stream"], row["type"])
    if told != kept:
        names = ("position", "version", "id", "stream", "type")
        name, one, other = next(found for found in zip(names, kept, told, strict=True) if found[1] != found[2])
        raise _fault(row, FaultKind.CONTRADICTION, f"has {name} {one} in its column and {other} in its bytes")
    moment = event.recorded_at
    if (moment.seconds, moment.nanos) != recorded:
        raise _fault(row, FaultKind.CONTRADICTION, "was recorded at another time by its column than by its bytes")
    if event.WhichOneof("payload") != ("json" if json else "binary") or event.ByteSize() != len(body):
        raise _fault(row, FaultKind.BROKEN_EVENT, "holds something twice, or its payload in the wrong place")
    if json and not is_json(payload):
        raise _fault(row, FaultKind.BROKEN_EVENT, "has a payload that is no JSON")


@lru_cache(maxsize=8192)
def _opening(size: int) -> bytes:
    """How an event of that many bytes begins: as an element of field 1, with the length of what follows."""
    for length in range(1, min(size, 6)):
        following = varint(size - 1 - length)
        if len(following) == length:
            return b"\x0a" + following
    return b"\x00"  # no event has so many bytes, and none begins so


@lru_cache(maxsize=8192)
def _closing(json: int, size: int) -> bytes:
    """How the envelope of an event with a payload of that many bytes ends."""
    return (b"\x42" if json else b"\x4a") + varint(size)
