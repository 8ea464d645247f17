"""What goes wrong, as types. They are told apart by `google.rpc.ErrorInfo.reason`, never by a message's words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import errors_pb2

from mink_client.advice import advice
from mink_client.expectation import Expected, read_expectation

DOMAIN: Final = "mink"
_DETAILS_KEY: Final = "grpc-status-details-bin"


class MinkError(Exception):
    """A call to Mink failed.

    Attributes:
        reason: The name of a `mink.v1.ErrorReason`; of the gRPC status code, if the error did not come from Mink itself.
        message: What went wrong, for a person. It may change from release to release.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # The constructors differ; copies and pickles are made without them.
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(kind: type[MinkError], args: tuple[object, ...]) -> MinkError:
    error = kind.__new__(kind)
    error.args = args
    return error


@dataclass(frozen=True, slots=True)
class Violation:
    """One stream that was not as expected.

    Attributes:
        stream: The stream's name.
        expected: What the caller expected: a version, `ANY`, `NO_STREAM` or `STREAM_EXISTS`.
        actual: The version that the stream has; 0 if it does not exist.
    """

    stream: str
    expected: Expected
    actual: int


class WrongExpectedVersion(MinkError):  # noqa: N818
    """A stream was not as expected; somebody else may have appended to it. Load it again, decide again.

    Attributes:
        stream: The first stream that was not as expected.
        expected: What was expected of it.
        actual: The version that it has; 0 if it does not exist.
        violations: Every stream that was not as expected, in the order of the request.
    """

    def __init__(self, message: str, violations: Sequence[Violation]) -> None:
        super().__init__("WRONG_EXPECTED_VERSION", message)
        self.violations = tuple(violations)
        first = self.violations[0]
        self.stream: str = first.stream
        self.expected: Expected = first.expected
        self.actual: int = first.actual


class EventIdConflict(MinkError):  # noqa: N818
    """The id of an event is already in the log, for another append.

    Attributes:
        event_id: The id.
    """

    def __init__(self, message: str, event_id: str) -> None:
        super().__init__("EVENT_ID_CONFLICT", message)
        self.event_id = event_id


class NotFound(MinkError):  # noqa: N818
    """Something that was named is not there. The base of what says which thing."""

    def __init__(self, reason: str, message: str, name: str) -> None:
        super().__init__(reason, message)
        self.name = name


class StreamNotFound(NotFound):
    """No event was ever appended to the stream.

    Attributes:
        stream: The stream's name.
    """

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.name


class StreamDeleted(StreamNotFound):
    """The stream was deleted.

    Attributes:
        stream: The stream's name.
    """


class SnapshotNotFound(NotFound):
    """The stream has no snapshot.

    Attributes:
        stream: The stream's name.
    """

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.name


class ProjectionNotFound(NotFound):
    """No projection has this name.

    Attributes:
        projection: The projection's name.
    """

    @property
    def projection(self) -> str:
        """The projection's name."""
        return self.name


class ProjectionInUse(MinkError):  # noqa: N818
    """What was asked for cannot be done as the projection is now; the message says why.

    Attributes:
        projection: The projection's name.
    """

    def __init__(self, message: str, projection: str) -> None:
        super().__init__("PROJECTION_IN_USE", message)
        self.projection = projection


class InvalidRequest(MinkError):  # noqa: N818
    """The request cannot be right, whatever the store holds.

    Attributes:
        violations: Every field that is wrong, as (field, description). Example: `("events[0].id", "must be a UUID")`.
    """

    def __init__(self, reason: str, message: str, violations: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(reason, message)
        self.violations = list(violations)


class PositionAhead(MinkError):  # noqa: N818
    """The position lies beyond the head, or belongs to another log: this is not the log that it came from. Do not retry.

    Attributes:
        position: The position that was asked for.
        head: The newest position of this log.
        log_id: The id of this log.
    """

    def __init__(self, message: str, position: int, head: int, log_id: str) -> None:
        super().__init__("POSITION_AHEAD", message)
        self.position = position
        self.head = head
        self.log_id = log_id


class TooLarge(MinkError):  # noqa: N818
    """Something is larger than the server takes.

    Attributes:
        size: The size, in bytes.
        limit: The limit, in bytes.
    """

    def __init__(self, reason: str, message: str, size: int, limit: int) -> None:
        super().__init__(reason, message)
        self.size = size
        self.limit = limit


class EventTooLarge(TooLarge):
    """One event is larger than the server takes."""


class RequestTooLarge(TooLarge):
    """The events of one append are together larger than the server takes.

    If gRPC itself refused the message, `limit` is 0, which means unknown, and the reason is `RESOURCE_EXHAUSTED`.
    """


class AccessError(MinkError):
    """The server did not let the caller do something. The base of what says why. Never sent again, except with a new token.

    Attributes:
        role: The role that was needed: `read`, `append`, `manage` or `admin`; None if the server did not say.
        stream: The stream that the caller may not reach; None if it is the role that is missing.
    """

    def __init__(self, reason: str, message: str, role: str | None = None, stream: str | None = None) -> None:
        super().__init__(reason, message)
        self.role = role
        self.stream = stream


class Unauthenticated(AccessError):  # noqa: N818
    """The caller did not say who it is, or could not prove it."""


class PermissionDenied(AccessError):  # noqa: N818
    """The caller may not do this."""


class Unavailable(MinkError):  # noqa: N818
    """The server could not be reached, or could not do the work now. The outcome of an append is unknown; sending it again is safe.

    Attributes:
        retry_after: How long the server asks to wait, in seconds; None if it did not say.
        advice: What to look at, for a person, where TLS is the likely reason that there is no connection; None otherwise.
    """

    def __init__(self, reason: str, message: str, retry_after: float | None = None, *, advice: str | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after
        self.advice = advice


class DatabaseUnavailable(Unavailable):
    """The server cannot reach its Postgres, or cannot write to it."""


class ShuttingDown(Unavailable):
    """The server is about to stop. Another one may serve the retry."""


class Overloaded(MinkError):  # noqa: N818
    """The server has as much work waiting as it lets in. Nothing was appended.

    Attributes:
        retry_after: How long the server asks to wait, in seconds; None if it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__("OVERLOADED", message)
        self.retry_after = retry_after


class DeadlineExceeded(MinkError):  # noqa: N818
    """The call did not end within its timeout. The outcome of an append is unknown; sending the same events again is safe."""

    def __init__(self, message: str) -> None:
        super().__init__("DEADLINE_EXCEEDED", message)


class InternalError(MinkError):
    """The server failed in a way that it did not expect; its log says more."""


class ClientClosed(MinkError):  # noqa: N818
    """The client was used before `async with` entered it, or after it was closed."""

    def __init__(self, message: str) -> None:
        super().__init__("CLIENT_CLOSED", message)


class CredentialsError(MinkError, ValueError):
    """A certificate, a key, a token or a setting about them cannot be used. Raised before anything is sent. Says no secret.

    Attributes:
        argument: Which one: `tls`, `ca_file`, `cert_file`, `key_file`, `token`, `token_file` or
            `insecure_token`.
        problem: What is wrong with it, with the file's name if it is a file.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__("CREDENTIALS", f"{argument}: {problem}")
        self.argument = argument
        self.problem = problem


class _Details:
    """The details of a status, by type."""

    def __init__(self, status: status_pb2.Status) -> None:
        self.message: str = status.message
        self.info = error_details_pb2.ErrorInfo()
        self.wrong_version = errors_pb2.WrongExpectedVersion()
        self.conflict = errors_pb2.EventIdConflict()
        self.ahead = errors_pb2.PositionAhead()
        self.size = errors_pb2.SizeLimit()
        self.resource = error_details_pb2.ResourceInfo()
        self.bad_request = error_details_pb2.BadRequest()
        self.access = errors_pb2.AccessRequired()
        retry = error_details_pb2.RetryInfo()
        known = (self.info, self.wrong_version, self.conflict, self.ahead, self.size, self.resource, self.bad_request, self.access)
        for detail in status.details:
            for message in (*known, retry):
                if detail.Is(message.DESCRIPTOR):
                    detail.Unpack(message)
                    break
        self.retry_after: float | None = None
        if retry.HasField("retry_delay"):
            self.retry_after = retry.retry_delay.ToTimedelta().total_seconds()


def _wrong_version(details: _Details) -> MinkError:
    found = [Violation(v.stream, read_expectation(v), v.actual_version) for v in details.wrong_version.violations]
    if not found:
        return MinkError("WRONG_EXPECTED_VERSION", details.message)
    return WrongExpectedVersion(details.message, found)


def _no_access(kind: type[AccessError], reason: str) -> Callable[[_Details], MinkError]:
    return lambda d: kind(reason, d.message, d.access.role or None, d.access.stream or None)


def _invalid(reason: str) -> Callable[[_Details], MinkError]:
    return lambda d: InvalidRequest(reason, d.message, [(v.field, v.description) for v in d.bad_request.field_violations])


_BY_REASON: Final[Mapping[str, Callable[[_Details], MinkError]]] = {
    "WRONG_EXPECTED_VERSION": _wrong_version,
    "EVENT_ID_CONFLICT": lambda d: EventIdConflict(d.message, d.conflict.event_id),
    "STREAM_NOT_FOUND": lambda d: StreamNotFound("STREAM_NOT_FOUND", d.message, d.resource.resource_name),
    "STREAM_DELETED": lambda d: StreamDeleted("STREAM_DELETED", d.message, d.resource.resource_name),
    "SNAPSHOT_NOT_FOUND": lambda d: SnapshotNotFound("SNAPSHOT_NOT_FOUND", d.message, d.resource.resource_name),
    "PROJECTION_NOT_FOUND": lambda d: ProjectionNotFound("PROJECTION_NOT_FOUND", d.message, d.resource.resource_name),
    "PROJECTION_IN_USE": lambda d: ProjectionInUse(d.message, d.resource.resource_name),
    "INVALID_REQUEST": _invalid("INVALID_REQUEST"),
    "POSITION_AHEAD": lambda d: PositionAhead(d.message, d.ahead.position, d.ahead.head, d.ahead.log_id),
    "EVENT_TOO_LARGE": lambda d: EventTooLarge("EVENT_TOO_LARGE", d.message, d.size.size_bytes, d.size.limit_bytes),
    "REQUEST_TOO_LARGE": lambda d: RequestTooLarge("REQUEST_TOO_LARGE", d.message, d.size.size_bytes, d.size.limit_bytes),
    "UNAUTHENTICATED": _no_access(Unauthenticated, "UNAUTHENTICATED"),
    "PERMISSION_DENIED": _no_access(PermissionDenied, "PERMISSION_DENIED"),
    "DATABASE_UNAVAILABLE": lambda d: DatabaseUnavailable("DATABASE_UNAVAILABLE", d.message, d.retry_after),
    "SHUTTING_DOWN": lambda d: ShuttingDown("SHUTTING_DOWN", d.message, d.retry_after),
    "OVERLOADED": lambda d: Overloaded(d.message, d.retry_after),
    "INTERNAL": lambda d: InternalError("INTERNAL", d.message),
}

# What gRPC itself, a proxy, or something that is not Mink answers: there is only the code.
_BY_CODE: Final[Mapping[int, Callable[[_Details], MinkError]]] = {
    grpc.StatusCode.UNAVAILABLE.value[0]: lambda d: Unavailable("UNAVAILABLE", d.message, d.retry_after),
    # A server that stops cuts its calls so; when the caller itself cancels, nobody sees this.
    grpc.StatusCode.CANCELLED.value[0]: lambda d: Unavailable(
        "UNAVAILABLE", d.message or "the server ended the call", d.retry_after
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED.value[0]: lambda d: DeadlineExceeded(d.message),
    grpc.StatusCode.INVALID_ARGUMENT.value[0]: _invalid("INVALID_ARGUMENT"),
    grpc.StatusCode.UNAUTHENTICATED.value[0]: _no_access(Unauthenticated, "UNAUTHENTICATED"),
    grpc.StatusCode.PERMISSION_DENIED.value[0]: _no_access(PermissionDenied, "PERMISSION_DENIED"),
    grpc.StatusCode.INTERNAL.value[0]: lambda d: InternalError("INTERNAL", d.message),
    grpc.StatusCode.UNKNOWN.value[0]: lambda d: InternalError("UNKNOWN", d.message),
}
_NAME_OF_CODE: Final[Mapping[int, str]] = {code.value[0]: code.name for code in grpc.StatusCode}


def from_status(status: status_pb2.Status) -> MinkError:
    """The error that a `google.rpc.Status` means."""
    details = _Details(status)
    reason = details.info.reason if details.info.domain == DOMAIN else ""
    make = _BY_REASON.get(reason) or _BY_CODE.get(status.code)
    if make is None:
        return MinkError(reason or _NAME_OF_CODE.get(status.code, "UNKNOWN"), details.message)
    return make(details)


def from_failure(failure: errors_pb2.Failure) -> MinkError:
    """The error that a failed append of a session means. A `Failure` has the wire format of a `google.rpc.Status`."""
    return from_status(status_pb2.Status.FromString(failure.SerializeToString()))


def from_rpc(error: grpc.aio.AioRpcError, target: str, *, tls: bool = False, advised: str | None = None) -> MinkError:
    """The error that a failed call means.

    Args:
        error: What gRPC raised.
        target: The server's address, for the message when it cannot be reached.
        tls: Whether the call went over TLS, for the same message.
        advised: What an error a moment ago said to look at, for the same message.
    """
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return from_status(status_pb2.Status.FromString(value))
            except DecodeError:  # the details are damaged; the code and the message are not
                break
    message = error.details() or error.code().name
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        what = advice(message, tls=tls, before=advised)
        message = f"cannot reach Mink at {target}: " + (f"{what} ({message})" if what else message)
        return Unavailable("UNAVAILABLE", message, advice=what)
    return from_status(status_pb2.Status(code=error.code().value[0], message=message))


_NEVER_TOO_LARGE: Final = 1024 * 1024


def of_size(error: MinkError, size: int) -> MinkError:
    """What the failure of a large request means: gRPC refuses a message that is too large for it with a code alone.

    Args:
        error: The failure.
        size: Bytes of the request; 0: it has neither events nor a state.
    """
    if error.reason != grpc.StatusCode.RESOURCE_EXHAUSTED.name or size <= _NEVER_TOO_LARGE:
        return error
    return RequestTooLarge(error.reason, error.message, size, 0)
