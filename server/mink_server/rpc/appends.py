"""Appends: requests as the core's values, checked; results as responses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mink.v1 import event_store_pb2 as pb

from mink_server.core import limits
from mink_server.core.errors import EventTooLargeError, RequestTooLargeError
from mink_server.core.events import AppendResult, EventToAppend, StreamWrite
from mink_server.core.ids import uuid7
from mink_server.core.json_text import is_json
from mink_server.rpc.checks import Problems, check_name, expectation, metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mink.v1.event_pb2 import NewEvent

    from mink_server.core.limits import Limits

_CANONICAL_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch

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
        event_id = event_id.lower()
        if _CANONICAL_UUID(event_id) is None:
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
    metadata, size = metadata_of(problems, path + "metadata", event.metadata)
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
