"""What can go wrong, as exceptions. `rpc/errors.py` says how each one looks to a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mink_server.core.expectations import ANY, NO_STREAM, STREAM_EXISTS
from mink_server.core.limits import MAX_STREAM_NAME

_STATES = {ANY: "any", NO_STREAM: "no stream", STREAM_EXISTS: "that it exists"}


def shown(name: str) -> str:
    """A name as errors have it: one that is longer than any that can be is cut."""
    return name if len(name) <= MAX_STREAM_NAME else name[:MAX_STREAM_NAME] + "…"


class MinkError(Exception):
    """Something that a caller is told. Its text is for people and holds no payload, no SQL and no secret.

    `reason` is the name in `mink.v1.ErrorReason`.
    """

    reason: ClassVar[str] = "INTERNAL"


@dataclass(frozen=True, slots=True)
class ExpectationViolation:
    """A stream that was not as expected: `expected` is an expectation (see `core.expectations`), `actual` a version."""

    stream: str
    expected: int
    actual: int


class WrongExpectedVersionError(MinkError):
    """One or more streams were not as the caller expected."""

    reason = "WRONG_EXPECTED_VERSION"

    def __init__(self, violations: list[ExpectationViolation]) -> None:
        self.violations = violations
        first = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        expected = _STATES.get(first.expected) or f"version {first.expected}"
        super().__init__(f"stream {shown(first.stream)!r} is at version {first.actual}, expected was {expected}{more}")


class EventIdConflictError(MinkError):
    """An event id is in the log already, for another append."""

    reason = "EVENT_ID_CONFLICT"

    def __init__(self, event_id: str) -> None:
        self.event_id = event_id
        super().__init__(f"event id {event_id} is already in the log, for another append")


class NotFoundError(MinkError):
    """Something that was named is not there. `kind` says what: stream, snapshot, projection."""

    kind = "resource"

    def __init__(self, name: str, message: str) -> None:
        self.name = shown(name)
        super().__init__(message)


class StreamNotFoundError(NotFoundError):
    """No event was ever appended to the stream."""

    reason = "STREAM_NOT_FOUND"
    kind = "stream"

    def __init__(self, stream: str) -> None:
        super().__init__(stream, f"stream {shown(stream)!r} does not exist")


class StreamDeletedError(NotFoundError):
    """The stream was deleted; with a tombstone, for good."""

    reason = "STREAM_DELETED"
    kind = "stream"

    def __init__(self, stream: str, *, tombstoned: bool) -> None:
        self.tombstoned = tombstoned
        super().__init__(stream, f"stream {shown(stream)!r} was deleted" + (" for good" if tombstoned else ""))


class SnapshotNotFoundError(NotFoundError):
    """The stream has no snapshot."""

    reason = "SNAPSHOT_NOT_FOUND"
    kind = "snapshot"

    def __init__(self, stream: str) -> None:
        super().__init__(stream, f"stream {shown(stream)!r} has no snapshot")


class ProjectionNotFoundError(NotFoundError):
    """No projection has this name."""

    reason = "PROJECTION_NOT_FOUND"
    kind = "projection"

    def __init__(self, projection: str) -> None:
        super().__init__(
            projection, f"projection {shown(projection)!r} does not exist: no worker has ever run it, or it was deleted"
        )


class ProjectionInUseError(MinkError):
    """What was asked for cannot be done as the projection is now. The message says why."""

    reason = "PROJECTION_IN_USE"
    kind = "projection"

    def __init__(self, projection: str, why: str) -> None:
        self.name = shown(projection)
        super().__init__(f"projection {shown(projection)!r}: {why}")


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of a request that is wrong, by its path in the proto, and why."""

    field: str
    description: str


class InvalidRequestError(MinkError):
    """The request cannot be right. Names every field that is wrong."""

    reason = "INVALID_REQUEST"

    def __init__(self, violations: list[FieldViolation]) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations[:10]))


class TooLargeError(MinkError):
    """Something is larger than the server takes; sizes in bytes."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"{what} has {size} bytes, the limit is {limit}")


class EventTooLargeError(TooLargeError):
    """One event is too large."""

    reason = "EVENT_TOO_LARGE"


class RequestTooLargeError(TooLargeError):
    """The events of one append are too large together."""

    reason = "REQUEST_TOO_LARGE"


class PositionAheadError(MinkError):
    """A position that this log has not given: it is beyond the head, or comes from another log."""

    reason = "POSITION_AHEAD"

    def __init__(self, position: int, head: int, log_id: str) -> None:
        self.position = position
        self.head = head
        self.log_id = log_id
        super().__init__(
            f"position {position} does not belong to this log (id {log_id}, head {head}): the database was restored or replaced"
        )


class AccessError(MinkError):
    """The caller may not do what they asked for: it takes `role`, or (if it is set) reaching `stream`, or (if neither is) all."""

    def __init__(self, message: str, role: str, stream: str = "") -> None:
        self.role = role
        self.stream = shown(stream)
        super().__init__(message)


class UnauthenticatedError(AccessError):
    """The caller did not say who they are, or could not prove it."""

    reason = "UNAUTHENTICATED"


class PermissionDeniedError(AccessError):
    """The caller is known, and may not do this."""

    reason = "PERMISSION_DENIED"


class RetryableError(MinkError):
    """Something that passes: trying again after `retry_after` seconds is reasonable."""

    retry_after = 1.0


class DatabaseUnavailableError(RetryableError):
    """Postgres cannot be reached or cannot take writes. The outcome of an append is unknown."""

    reason = "DATABASE_UNAVAILABLE"
    retry_after = 0.5

    def __init__(self, message: str = "the database is not available") -> None:
        super().__init__(message)


class ShuttingDownError(RetryableError):
    """This server is about to stop, or ends a long call so that it can begin anew."""

    reason = "SHUTTING_DOWN"
    retry_after = 0.2

    def __init__(self, message: str = "this server is shutting down", retry_after: float = 0.2) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class OverloadedError(RetryableError):
    """As much work is waiting as the server lets in, or there is as much of something as there may be.

    Args:
        what: What is waiting.
        full: What there is as much of, as a whole sentence, instead.
    """

    reason = "OVERLOADED"
    retry_after = 0.1

    def __init__(self, what: str = "", *, full: str = "") -> None:
        super().__init__(full or f"too much is waiting: {what}")


class AppendTimeoutError(MinkError):
    """An append waited for its turn longer than its caller allowed. It was not sent to the database.

    gRPC's own status says it, so the protos have no reason for it.
    """

    reason = "DEADLINE_EXCEEDED"

    def __init__(self) -> None:
        super().__init__("the append waited for its turn longer than its timeout, and was not made")
