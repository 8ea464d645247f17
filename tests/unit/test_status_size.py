"""Whatever an error holds, its status travels as metadata that every client takes."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import errors_pb2
from mink_server.core import errors
from mink_server.rpc.errors import to_proto

NAMES = ["x" * 500, "\U0001f600" * 500, "\U000e0001" * 500, "%" * 500]
MOST = 7200


def on_the_wire(status: status_pb2.Status) -> int:
    """Bytes of a status as gRPC sends it."""
    return len(quote(status.message)) + len(base64.b64encode(status.SerializeToString()))


def made(name: str) -> list[errors.MinkError]:
    return [
        errors.WrongExpectedVersionError([errors.ExpectationViolation(name, 1, 2)] * 10_000),
        errors.InvalidRequestError([errors.FieldViolation(name, name)] * 100),
        errors.StreamNotFoundError(name * 1000),
        errors.StreamDeletedError(name * 1000, tombstoned=True),
        errors.SnapshotNotFoundError(name * 1000),
        errors.PermissionDeniedError(name * 1000, "read", name * 1000),
        errors.UnauthenticatedError(name * 1000, "read"),
        errors.DatabaseUnavailableError(name * 1000),
        errors.OverloadedError(name * 1000),
    ]


@pytest.mark.parametrize("i", range(9))
@pytest.mark.parametrize("name", NAMES)
def test_no_error_is_too_large_and_the_typed_detail_of_a_valid_name_is_whole(name, i):
    status = to_proto(made(name)[i])
    assert on_the_wire(status) <= MOST
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == made(name)[i].reason
    assert len(status.details) == 2


def test_of_a_list_of_what_was_wrong_as_much_is_told_as_there_is_room_for():
    few = errors.WrongExpectedVersionError([errors.ExpectationViolation(f"Order-{i}", 1, 2) for i in range(100)])
    many = errors.WrongExpectedVersionError([errors.ExpectationViolation(f"Order-{i}", 1, 2) for i in range(10_000)])
    told = []
    for error in (few, many):
        detail = errors_pb2.WrongExpectedVersion()
        assert to_proto(error).details[1].Unpack(detail)
        told.append([violation.stream for violation in detail.violations])
    assert told[0] == [f"Order-{i}" for i in range(100)]
    assert told[1][:100] == told[0]
    assert len(told[1]) < 10_000


def test_a_message_of_usual_length_is_as_it_is():
    text = "the stream 'Übung-1' is 100% elsewhere"
    assert to_proto(errors.OverloadedError(text)).message.endswith(text)
    assert to_proto(errors.OverloadedError("é" * 5000)).message.endswith("…")
