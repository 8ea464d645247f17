"""Statuses as Mink, or something before it, would send them: what a fault answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import errors_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

DETAILS_KEY: Final = "grpc-status-details-bin"

_STREAM: Final = "Faulty-1"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_Code = grpc.StatusCode
# The status of each reason, and its detail, if it has one beside RetryInfo (mink/v1/errors.proto).
_REASONS: Final[dict[str, tuple[grpc.StatusCode, Message | None]]] = {
    "WRONG_EXPECTED_VERSION": (
        _Code.ABORTED,
        errors_pb2.WrongExpectedVersion(
            violations=[errors_pb2.ExpectationViolation(stream=_STREAM, exact_version=1, actual_version=2)]
        ),
    ),
    "EVENT_ID_CONFLICT": (_Code.ALREADY_EXISTS, errors_pb2.EventIdConflict(event_id=_NOBODY)),
    "STREAM_NOT_FOUND": (_Code.NOT_FOUND, error_details_pb2.ResourceInfo(resource_type="stream", resource_name=_STREAM)),
    "STREAM_DELETED": (_Code.NOT_FOUND, error_details_pb2.ResourceInfo(resource_type="stream", resource_name=_STREAM)),
    "SNAPSHOT_NOT_FOUND": (_Code.NOT_FOUND, error_details_pb2.ResourceInfo(resource_type="snapshot", resource_name=_STREAM)),
    "INVALID_REQUEST": (
        _Code.INVALID_ARGUMENT,
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="stream", description="made up by the harness")]
        ),
    ),
    "POSITION_AHEAD": (_Code.OUT_OF_RANGE, errors_pb2.PositionAhead(position=2, head=1, log_id=_NOBODY)),
    "EVENT_TOO_LARGE": (_Code.INVALID_ARGUMENT, errors_pb2.SizeLimit(size_bytes=2, limit_bytes=1)),
    "REQUEST_TOO_LARGE": (_Code.INVALID_ARGUMENT, errors_pb2.SizeLimit(size_bytes=2, limit_bytes=1)),
    "UNAUTHENTICATED": (_Code.UNAUTHENTICATED, errors_pb2.AccessRequired()),
    "PERMISSION_DENIED": (_Code.PERMISSION_DENIED, errors_pb2.AccessRequired(role="admin")),
    "DATABASE_UNAVAILABLE": (_Code.UNAVAILABLE, None),
    "SHUTTING_DOWN": (_Code.UNAVAILABLE, None),
    "OVERLOADED": (_Code.RESOURCE_EXHAUSTED, None),
    "INTERNAL": (_Code.INTERNAL, None),
    "DEADLINE_EXCEEDED": (_Code.DEADLINE_EXCEEDED, None),
}
_CODES: Final = {code.name: code for code in grpc.StatusCode}
_MESSAGE: Final = "made up by the harness"


def status(*, reason: str | None, code: str | None, domain: str, retry_after: float | None) -> status_pb2.Status:
    """A status.

    Args:
        reason: Of its ErrorInfo; None: the status is bare.
        code: The name of its code; None: that of the reason, and UNKNOWN for a reason that Mink does not know.
        domain: Of its ErrorInfo. Details of Mink's own go with the domain `mink` only.
        retry_after: Seconds of its RetryInfo; None: it has none.

    Raises:
        ValueError: There is no such code, or neither a code nor a reason.
    """
    if reason is None and code is None:
        raise ValueError("a fault that fails a call needs a reason or a code")
    if code is not None and code not in _CODES:
        raise ValueError(f"there is no status {code!r}")
    known, detail = _REASONS.get(reason or "", (_Code.UNKNOWN, None))
    number: Any = (known if code is None else _CODES[code]).value[0]
    made = status_pb2.Status(code=number, message=_MESSAGE)
    if reason is not None:
        _add(made, error_details_pb2.ErrorInfo(reason=reason, domain=domain))
        if detail is not None and domain == "mink":
            _add(made, detail)
    if retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(retry_after * 1_000_000_000))
        _add(made, error_details_pb2.RetryInfo(retry_delay=delay))
    return made


def _add(made: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    made.details.append(packed)


def code_of(made: status_pb2.Status) -> grpc.StatusCode:
    """The code of a status, as gRPC for Python names it."""
    return next(code for code in grpc.StatusCode if code.value[0] == made.code)


def trailers(made: status_pb2.Status) -> tuple[tuple[str, str | bytes], ...]:
    """The metadata that carries a status's details; empty if it has none."""
    return ((DETAILS_KEY, made.SerializeToString()),) if made.details else ()
