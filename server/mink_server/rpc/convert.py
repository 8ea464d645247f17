"""What readers and operators ask and get: requests as the core's values, checked; the core's values as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from mink.v1 import event_store_pb2 as pb
from mink.v1 import snapshots_pb2

from mink_server.core import limits
from mink_server.core.errors import RequestTooLargeError
from mink_server.core.filters import EventFilter, category_of
from mink_server.core.json_text import is_json
from mink_server.core.reading import Snapshot, StreamInfo
from mink_server.rpc.checks import Problems, check_name, metadata_of

if TYPE_CHECKING:
    from datetime import datetime

    from mink_server.core.limits import Limits


_ROOM_BESIDE_STATE: Final = 16 * 1024


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
    metadata, size = metadata_of(problems, "metadata", request.metadata)
    # It comes back in one message, which clients bound as they bound requests: there must be room for its name beside it.
    limit = max(bounds.request_bytes - _ROOM_BESIDE_STATE, bounds.request_bytes // 2)
    if size + len(state) > limit:
        raise RequestTooLargeError("the snapshot", size + len(state), limit)
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
