"""The core's errors as gRPC statuses: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import grpc
import structlog
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from mink.v1 import errors_pb2

from mink_server.core import errors
from mink_server.rpc.checks import expected_in
from mink_server.rpc.status_size import add, short
from mink_server.telemetry import metrics
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from mink_server.telemetry.call import Call

log = structlog.get_logger(__name__)

DOMAIN: Final = "mink"


def _wrong_expected_version(error: errors.WrongExpectedVersionError) -> Message:
    detail = errors_pb2.WrongExpectedVersion()
    for violation in error.violations:
        message = detail.violations.add(stream=violation.stream, actual_version=violation.actual)
        expected_in(message, violation.expected)
    return detail


def _bad_request(error: errors.InvalidRequestError) -> Message:
    violations = [error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description) for v in error.violations]
    detail: Message = error_details_pb2.BadRequest(field_violations=violations)
    return detail


def _retry_info(error: errors.RetryableError) -> Message:
    detail: Any = error_details_pb2.RetryInfo()
    detail.retry_delay.FromNanoseconds(int(error.retry_after * 1_000_000_000))
    return cast("Message", detail)


def _resource(error: errors.NotFoundError | errors.ProjectionInUseError) -> Message:
    detail: Message = error_details_pb2.ResourceInfo(resource_type=error.kind, resource_name=error.name)
    return detail


def _size(error: errors.TooLargeError) -> Message:
    return errors_pb2.SizeLimit(size_bytes=error.size, limit_bytes=error.limit)


def _access(error: errors.AccessError) -> Message:
    return errors_pb2.AccessRequired(role=error.role, stream=error.stream)


class _Row(NamedTuple):
    code: grpc.StatusCode
    detail: Callable[..., Message] | None = None


_TABLE: Final[dict[type[errors.MinkError], _Row]] = {
    errors.WrongExpectedVersionError: _Row(grpc.StatusCode.ABORTED, _wrong_expected_version),
    errors.EventIdConflictError: _Row(grpc.StatusCode.ALREADY_EXISTS, lambda e: errors_pb2.EventIdConflict(event_id=e.event_id)),
    errors.StreamNotFoundError: _Row(grpc.StatusCode.NOT_FOUND, _resource),
    errors.StreamDeletedError: _Row(grpc.StatusCode.NOT_FOUND, _resource),
    errors.SnapshotNotFoundError: _Row(grpc.StatusCode.NOT_FOUND, _resource),
    errors.ProjectionNotFoundError: _Row(grpc.StatusCode.NOT_FOUND, _resource),
    errors.ProjectionInUseError: _Row(grpc.StatusCode.FAILED_PRECONDITION, _resource),
    errors.InvalidRequestError: _Row(grpc.StatusCode.INVALID_ARGUMENT, _bad_request),
    errors.PositionAheadError: _Row(
        grpc.StatusCode.OUT_OF_RANGE, lambda e: errors_pb2.PositionAhead(position=e.position, head=e.head, log_id=e.log_id)
    ),
    errors.EventTooLargeError: _Row(grpc.StatusCode.INVALID_ARGUMENT, _size),
    errors.RequestTooLargeError: _Row(grpc.StatusCode.INVALID_ARGUMENT, _size),
    errors.UnauthenticatedError: _Row(grpc.StatusCode.UNAUTHENTICATED, _access),
    errors.PermissionDeniedError: _Row(grpc.StatusCode.PERMISSION_DENIED, _access),
    errors.DatabaseUnavailableError: _Row(grpc.StatusCode.UNAVAILABLE, _retry_info),
    errors.ShuttingDownError: _Row(grpc.StatusCode.UNAVAILABLE, _retry_info),
    errors.OverloadedError: _Row(grpc.StatusCode.RESOURCE_EXHAUSTED, _retry_info),
    errors.AppendTimeoutError: _Row(grpc.StatusCode.DEADLINE_EXCEEDED),
}
_INTERNAL: Final = "the server failed in a way that it did not expect"


def to_proto(error: Exception, call: Call | None = None) -> status_pb2.Status:
    """An error as google.rpc.Status, counted.

    What is not in the table is logged, and told to clients as INTERNAL: with the id that the log line has, and without its text.

    Args:
        error: What was raised.
        call: Whose error it is; None: the current call's.
    """
    call = call or CURRENT.get()
    row = _TABLE.get(type(error))  # type: ignore[arg-type]
    if isinstance(error, errors.MinkError) and row is not None:
        reason, text = error.reason, str(error)
    else:
        about = {} if call is None else call.about()
        if isinstance(error, errors.MinkError):
            log.error("a call has failed in a way that was not expected", **about)
        else:
            log.error("unexpected error", exc_info=error, **about)
        row, reason, text = _Row(grpc.StatusCode.INTERNAL), errors.MinkError.reason, _INTERNAL
    status = status_pb2.Status(code=row.code.value[0], message=short(text))
    if reason in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name:
        told = {"request_id": call.request_id} if call is not None and reason == errors.MinkError.reason else {}
        add(status, error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=told))
    if row.detail is not None:
        add(status, row.detail(error))
    metrics.ERRORS.add(reason)
    return status


def to_failure(error: Exception, session: Call | None = None) -> bytes:
    """An error as the result of an append in a session, as the bytes of a Failure; without `session`, in the current call."""
    # A Failure has the fields of a google.rpc.Status, with the same numbers.
    failure: bytes = to_proto(error, session).SerializeToString()
    return failure


def to_status(error: Exception) -> grpc.Status:
    """An error as the status of the current call."""
    if (call := CURRENT.get()) is not None:
        call.reason = error.reason if type(error) in _TABLE else errors.MinkError.reason  # type: ignore[attr-defined]
    return rpc_status.to_status(to_proto(error))
