import copy
import pickle

import grpc
import mink_client
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from mink.v1 import errors_pb2
from mink_client import ANY, MinkError, Violation, errors

NAME = details.ResourceInfo(resource_type="stream", resource_name="Order-1")
SIZE = errors_pb2.SizeLimit(size_bytes=7, limit_bytes=5)
RETRY = details.RetryInfo()
RETRY.retry_delay.FromMilliseconds(1500)
WRONG = errors_pb2.WrongExpectedVersion(
    violations=[
        errors_pb2.ExpectationViolation(stream="A", exact_version=3, actual_version=4),
        errors_pb2.ExpectationViolation(stream="B", state=1, actual_version=0),
    ]
)
BAD = details.BadRequest(field_violations=[{"field": "events[0].id", "description": "must be a UUID"}, {"field": "stream"}])
ACCESS = errors_pb2.AccessRequired(role="append", stream="Order-1")
ROLE = errors_pb2.AccessRequired(role="manage")
AHEAD = errors_pb2.PositionAhead(position=9, head=5, log_id="log")

TABLE: list[tuple[str, Message | None, str, dict[str, object]]] = [
    ("WRONG_EXPECTED_VERSION", WRONG, "WrongExpectedVersion", {"stream": "A", "expected": 3, "actual": 4}),
    ("WRONG_EXPECTED_VERSION", WRONG, "WrongExpectedVersion", {"violations": (Violation("A", 3, 4), Violation("B", ANY, 0))}),
    ("EVENT_ID_CONFLICT", errors_pb2.EventIdConflict(event_id="x"), "EventIdConflict", {"event_id": "x"}),
    ("STREAM_NOT_FOUND", NAME, "StreamNotFound", {"stream": "Order-1"}),
    ("STREAM_DELETED", NAME, "StreamDeleted", {"stream": "Order-1"}),
    ("SNAPSHOT_NOT_FOUND", NAME, "SnapshotNotFound", {"stream": "Order-1"}),
    ("PROJECTION_NOT_FOUND", NAME, "ProjectionNotFound", {"projection": "Order-1"}),
    ("PROJECTION_IN_USE", NAME, "ProjectionInUse", {"projection": "Order-1"}),
    ("INVALID_REQUEST", BAD, "InvalidRequest", {"violations": [("events[0].id", "must be a UUID"), ("stream", "")]}),
    ("POSITION_AHEAD", AHEAD, "PositionAhead", {"position": 9, "head": 5, "log_id": "log"}),
    ("EVENT_TOO_LARGE", SIZE, "EventTooLarge", {"size": 7, "limit": 5}),
    ("REQUEST_TOO_LARGE", SIZE, "RequestTooLarge", {"size": 7, "limit": 5}),
    ("UNAUTHENTICATED", None, "Unauthenticated", {"role": None, "stream": None}),
    ("UNAUTHENTICATED", ROLE, "Unauthenticated", {"role": "manage", "stream": None}),
    ("PERMISSION_DENIED", ACCESS, "PermissionDenied", {"role": "append", "stream": "Order-1"}),
    ("DATABASE_UNAVAILABLE", RETRY, "DatabaseUnavailable", {"retry_after": 1.5}),
    ("SHUTTING_DOWN", RETRY, "ShuttingDown", {"retry_after": 1.5}),
    ("OVERLOADED", RETRY, "Overloaded", {"retry_after": 1.5}),
    ("INTERNAL", None, "InternalError", {}),
]


@pytest.mark.parametrize(("reason", "detail", "kind", "attributes"), TABLE)
def test_each_reason_has_its_own_type_with_its_own_data(fakes, reason, detail, kind, attributes):
    status = fakes.status(reason, *([detail] if detail else []), code=99)
    for error in (errors.from_status(status), errors.from_failure(errors_pb2.Failure.FromString(status.SerializeToString()))):
        assert type(error) is getattr(mink_client, kind)
        assert error.reason == reason
        assert str(error) == "words for people"
        assert {name: getattr(error, name) for name in attributes} == attributes


def test_no_reason_of_the_protos_was_forgotten():
    assert {row[0] for row in TABLE} == set(errors_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert set(errors._BY_REASON) == {row[0] for row in TABLE}


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Unavailable", "UNAVAILABLE"),
        (grpc.StatusCode.CANCELLED, "Unavailable", "UNAVAILABLE"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DeadlineExceeded", "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated", "UNAUTHENTICATED"),
        (grpc.StatusCode.PERMISSION_DENIED, "PermissionDenied", "PERMISSION_DENIED"),
        (grpc.StatusCode.INVALID_ARGUMENT, "InvalidRequest", "INVALID_ARGUMENT"),
        (grpc.StatusCode.UNKNOWN, "InternalError", "UNKNOWN"),
        (grpc.StatusCode.UNIMPLEMENTED, "MinkError", "UNIMPLEMENTED"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "MinkError", "RESOURCE_EXHAUSTED"),
    ],
)
def test_what_did_not_come_from_mink_is_told_by_its_code(code, kind, reason):
    error = errors.from_rpc(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="x"), "host:1")
    assert type(error) is getattr(mink_client, kind)
    assert error.reason == reason


def test_a_reason_of_another_domain_means_nothing(fakes):
    error = errors.from_status(fakes.status("OVERLOADED", code=8, domain="somebody.else"))
    assert type(error) is MinkError
    assert error.reason == "RESOURCE_EXHAUSTED"


def test_details_that_are_damaged_leave_the_code_and_the_message():
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", b"\xff\xff"))
    error = errors.from_rpc(grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), trailing, "away"), "host:1")
    assert type(error) is mink_client.Unavailable
    assert "away" in str(error)


@pytest.mark.parametrize(("reason", "detail", "kind", "attributes"), TABLE)
def test_errors_can_be_copied_and_pickled(fakes, reason, detail, kind, attributes):
    error = errors.from_status(fakes.status(reason, *([detail] if detail else []), code=99))
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert (twin.__dict__, str(twin)) == (error.__dict__, str(error))
