"""Requests as the core's values, checked; the core's values as responses.

A check names every field that is wrong, so that a caller mends them all at once.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from mink.v1 import event_store_pb2 as pb
from mink.v1 import expectation_pb2, snapshots_pb2

from mink_server.core import limits
from mink_server.core.errors import EventTooLargeError, FieldViolation, InvalidRequestError, RequestTooLargeError
from mink_server.core.events import AppendResult, EventToAppend, StreamWrite
from mink_server.core.expectations import ANY, NO_STREAM, STREAM_EXISTS
from mink_server.core.filters import EventFilter, category_of
from mink_server.core.ids import uuid7
from mink_server.core.reading import Snapshot, StreamInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from mink.v1.event_pb2 import NewEvent

    from mink_server.core.limits import Limits

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CANONICAL_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_check_json: Final = msgspec.json.Decoder(msgspec.Raw).decode
_STATES: Final = {
    expectation_pb2.ANY: ANY,
    expectation_pb2.NO_STREAM: NO_STREAM,
    expectation_pb2.STREAM_EXISTS: STREAM_EXISTS,
}
_STATE_OF: Final = {expected: state for state, expected in _STATES.items()}
_EXPECTATION_CHOICES: Final = "say what you expect: exact_version (0: not there), or state ANY, NO_STREAM or STREAM_EXISTS"


class Problems:
    """Collects what is wrong with a request."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def add(self, field: str, description: str) -> None:
        """Notes a field that is wrong."""
        if len(self.violations) < 100:
            self.violations.append(FieldViolation(field, description))

    def check(self) -> None:
        """Ends the request if something is wrong.

        Raises:
            InvalidRequestError: With all that was noted.
        """
        if self.violations:
            raise InvalidRequestError(self.violations)


def check_name(problems: Problems, field: str, name: str, longest: int) -> None:
    """Notes what is wrong with a name: it is empty, too long, or has control characters."""
    if not name:
        problems.add(field, "must not be empty")
    elif len(name) > longest:
        problems.add(field, f"has {len(name)} characters, at most {longest} are allowed")
    elif _CONTROL.search(name):
        problems.add(field, "must not have control characters")


def stream_name(request: Any) -> str:
    """The `stream` of a request.

    Raises:
        InvalidRequestError: It is no stream name.
    """
    problems = Problems()
    check_name(problems, "stream", request.stream, limits.MAX_STREAM_NAME)
    problems.check()
    return str(request.stream)


def expectation(request: Any, problems: Problems, path: str = "") -> int:
    """What a request expects of its stream."""
    kind = request.WhichOneof("expectation")
    if kind == "exact_version":
        if request.exact_version < 0:
            problems.add(path + "exact_version", "must not be negative")
        return int(request.exact_version)
    if kind == "state" and request.state in _STATES:
        return _STATES[request.state]
    problems.add(path + "expectation", _EXPECTATION_CHOICES)
    return ANY


def is_json(data: bytes) -> bool:
    """Whether bytes are one JSON text."""
    try:
        _check_json(data)
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
        json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _metadata(problems: Problems, path: str, given: Mapping[str, str]) -> tuple[dict[str, str] | None, int]:
    if not given:
        return None, 0
    metadata = dict(given)
    if len(metadata) > limits.MAX_METADATA_ENTRIES:
        problems.add(path, f"has {len(metadata)} entries, at most {limits.MAX_METADATA_ENTRIES} are allowed")
    size = 0
    for key, value in metadata.items():
        if not key or len(key) > limits.MAX_METADATA_KEY or _CONTROL.search(key):
            problems.add(path, f"a key must have 1 to {limits.MAX_METADATA_KEY} characters and no control characters")
        if "\x00" in value:
            problems.add(path, "a value must not have the character U+0000")
        size += len(key.encode()) + len(value.encode())
    return metadata, size


_known_types: set[str] = set()


def _check_type(problems: Problems, path: str, event_type: str) -> None:
    if event_type in _known_types:
        return
    before = len(problems.violations)
    check_name(problems, path, event_type, limits.MAX_TYPE_NAME)
    if len(problems.violations) == before:
        if len(_known_types) > 10_000:
            _known_types.clear()
        _known_types.add(event_type)


def _event(event: NewEvent, problems: Problems, path: str, bounds: Limits) -> EventToAppend:
    event_id = event.id
    if not event_id:
        event_id = uuid7()
    elif _CANONICAL_UUID(event_id) is None:
        try:
            event_id = str(uuid.UUID(event_id)) if len(event_id) == 36 else ""
        except ValueError:
            event_id = ""
        if not event_id:
            problems.add(path + "id", "must be a UUID, for example 01890a5d-ac96-774b-bcce-b302099a8057, or empty")
    event_type = event.type
    _check_type(problems, path + "type", event_type)
    kind = event.WhichOneof("payload")
    if kind == "json":
        payload = event.json.encode()
        if not is_json(payload):
            problems.add(path + "json", "must be one JSON text")
    else:
        payload = event.binary
        if kind is None:
            problems.add(path + "payload", "must be set: json or binary")
    metadata, size = _metadata(problems, path + "metadata", event.metadata)
    size += len(payload) + len(event_type)
    if size > bounds.event_bytes:
        raise EventTooLargeError(f"an event ({path.rstrip('.')})", size, bounds.event_bytes)
    return EventToAppend(event_id, event_type, payload, kind == "json", metadata, size)


def _write(request: Any, problems: Problems, path: str, bounds: Limits) -> StreamWrite:
    stream = request.stream
    check_name(problems, path + "stream", stream, limits.MAX_STREAM_NAME)
    expected = expectation(request, problems, path)
    given = request.events
    if len(given) > bounds.events_per_append:
        problems.add(path + "events", f"has {len(given)} events, at most {bounds.events_per_append} are allowed")
        return StreamWrite(stream, expected, [])
    events = [_event(event, problems, f"{path}events[{i}].", bounds) for i, event in enumerate(given)]
    return StreamWrite(stream, expected, events)


def _check_together(problems: Problems, writes: Iterable[StreamWrite], bounds: Limits) -> None:
    events = [event for write in writes for event in write.events]
    if len(events) == 1:
        problems.check()
        return
    if len(events) > bounds.events_per_append:
        problems.add("events", f"there are {len(events)} events, at most {bounds.events_per_append} are allowed")
    if len({event.id for event in events}) != len(events):
        problems.add("events", "two events have the same id")
    size = sum(event.size for event in events)
    if size > bounds.request_bytes:
        raise RequestTooLargeError("the append", size, bounds.request_bytes)
    problems.check()


def to_stream(request: pb.AppendToStreamRequest, bounds: Limits) -> list[StreamWrite]:
    """An append to one stream.

    Raises:
        InvalidRequestError: Fields are wrong.
        TooLargeError: An event, or all of them together.
    """
    problems = Problems()
    write = _write(request, problems, "", bounds)
    if not request.events:
        problems.add("events", "must have at least one event")
    _check_together(problems, (write,), bounds)
    return [write]


def to_streams(request: pb.AppendToStreamsRequest, bounds: Limits) -> list[StreamWrite]:
    """An append to several streams; raises as `to_stream`."""
    problems = Problems()
    given = request.appends
    if len(given) > limits.MAX_STREAMS_IN_APPEND:
        problems.add("appends", f"has {len(given)} streams, at most {limits.MAX_STREAMS_IN_APPEND} are allowed")
        problems.check()
    writes = [_write(part, problems, f"appends[{i}].", bounds) for i, part in enumerate(given)]
    if len({write.stream for write in writes}) != len(writes):
        problems.add("appends", "a stream is named twice")
    if not any(part.events for part in given):
        problems.add("appends", "at least one stream must have events")
    _check_together(problems, writes, bounds)
    return writes


def appended_to_stream(result: AppendResult) -> pb.AppendToStreamResponse:
    """The answer to an append to one stream."""
    write = result.writes[0]
    return pb.AppendToStreamResponse(
        version=write.version, first_position=write.first_position, last_position=write.last_position, replayed=result.replayed
    )


def appended_to_streams(writes: Iterable[StreamWrite], result: AppendResult) -> pb.AppendToStreamsResponse:
    """The answer to an append to several streams."""
    return pb.AppendToStreamsResponse(
        streams=[
            pb.StreamAppended(
                stream=write.stream, version=done.version, first_position=done.first_position, last_position=done.last_position
            )
            for write, done in zip(writes, result.writes, strict=True)
        ],
        first_position=result.first_position,
        last_position=result.last_position,
        replayed=result.replayed,
    )


def expected_in(message: Any, expected: int) -> None:
    """Puts an expectation into a message that has the fields of one."""
    if expected in _STATE_OF:
        message.state = _STATE_OF[expected]
    else:
        message.exact_version = expected


def event_filter(request: Any, problems: Problems) -> EventFilter | None:
    """The filter of a request; None lets everything through."""
    if not request.HasField("filter"):
        return None
    given = request.filter
    total = len(given.streams) + len(given.stream_prefixes) + len(given.categories) + len(given.types)
    if total > limits.MAX_FILTER_ENTRIES:
        problems.add("filter", f"has {total} entries, at most {limits.MAX_FILTER_ENTRIES} are allowed")
        return None
    for field, longest in (("streams", 500), ("stream_prefixes", 500), ("categories", 500), ("types", limits.MAX_TYPE_NAME)):
        for i, name in enumerate(getattr(given, field)):
            check_name(problems, f"filter.{field}[{i}]", name, longest)
    if total == 0:
        return None
    return EventFilter(frozenset(given.streams), tuple(given.stream_prefixes), frozenset(given.categories), frozenset(given.types))


def count(problems: Problems, field: str, value: int, most: int = limits.MAX_BIGINT) -> int:
    """A number that must not be negative, nor more than `most`."""
    if value < 0:
        problems.add(field, "must not be negative")
    elif value > most:
        problems.add(field, f"must be at most {most}")
    return value


def backwards(request: Any, problems: Problems) -> bool:
    """Whether a request reads backwards."""
    if request.direction not in (pb.READ_DIRECTION_UNSPECIFIED, pb.FORWARDS, pb.BACKWARDS):
        problems.add("direction", "must be FORWARDS or BACKWARDS")
    return bool(request.direction == pb.BACKWARDS)


def snapshot_to_save(request: snapshots_pb2.SaveSnapshotRequest, bounds: Limits) -> Snapshot:
    """A snapshot to save.

    Raises:
        InvalidRequestError: Fields are wrong.
        TooLargeError: The state is larger than a request may be.
    """
    problems = Problems()
    check_name(problems, "stream", request.stream, limits.MAX_STREAM_NAME)
    if request.version < 1:
        problems.add("version", "must be 1 or more")
    kind = request.WhichOneof("state")
    state = request.json.encode() if kind == "json" else request.binary
    if kind is None:
        problems.add("state", "must be set: json or binary")
    elif kind == "json" and not is_json(state):
        problems.add("json", "must be one JSON text")
    metadata, size = _metadata(problems, "metadata", request.metadata)
    if size + len(state) > bounds.request_bytes:
        raise RequestTooLargeError("the snapshot", size + len(state), bounds.request_bytes)
    problems.check()
    return Snapshot(request.stream, request.version, state, kind == "json", metadata or {})


def snapshot_message(snapshot: Snapshot) -> snapshots_pb2.Snapshot:
    """A snapshot as it is sent."""
    message = snapshots_pb2.Snapshot(
        stream=snapshot.stream, version=snapshot.version, metadata=snapshot.metadata, saved_at=timestamp(snapshot.saved_at)
    )
    if snapshot.is_json:
        message.json = snapshot.state.decode()
    else:
        message.binary = snapshot.state
    return message


def timestamp(moment: datetime | None) -> Timestamp | None:
    """A time as it is sent."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def stream_message(info: StreamInfo) -> pb.StreamInfo:
    """What is known of a stream, as it is sent."""
    return pb.StreamInfo(
        stream=info.stream,
        category=category_of(info.stream),
        version=info.version,
        first_version=info.first_version,
        events=info.events,
        last_position=info.last_position,
        first_recorded_at=timestamp(info.first_recorded_at),
        last_recorded_at=timestamp(info.last_recorded_at),
        snapshot_version=info.snapshot_version,
        deleted=info.deleted,
        tombstoned=info.tombstoned,
    )
