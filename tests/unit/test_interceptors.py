"""What happens around a call, and in which order."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import errors_pb2, event_store_pb2
from mink_server.core import errors
from mink_server.core.limits import Capacity
from mink_server.rpc import interceptors as package
from mink_server.rpc.admission import Admission
from mink_server.rpc.errors import to_failure, to_proto
from mink_server.rpc.interceptors.limits import Limits
from mink_server.rpc.interceptors.wrapping import wrapped
from mink_server.rpc.waiting import Waiting
from mink_server.telemetry.call import CURRENT, Method
from mink_server.telemetry.memory import Memory
from mink_server.telemetry.metrics import REGISTRY
from opentelemetry.trace import NoOpTracer
from structlog.testing import capture_logs

METHOD = Method("mink.v1.EventStore", "GetStream", "unary")
CLASSES = {METHOD: event_store_pb2.GetStreamRequest}
CAPACITY = Capacity(10, 0, 10, 10_000, 10_000, 10, 10)
MEMORY = Memory(1 << 40)
LIMITS = Limits(Admission(CAPACITY, MEMORY), Waiting(CAPACITY, MEMORY))


class Nobody:
    """Identities that know nobody."""

    generation = 0

    def by_token(self, token: str) -> None:
        return None

    def by_certificate(self, names: object) -> None:
        return None


NOBODY = Nobody()


def test_the_order_is_the_one_that_is_written_down() -> None:
    every = package.interceptors(CLASSES, LIMITS, NOBODY, tracer=NoOpTracer(), access_log=True)
    order = [type(one).__name__ for one in every]
    documented = [
        line.split(".", 1)[1].split(":")[0].strip() for line in (package.__doc__ or "").splitlines() if line[:1].isdigit()
    ]
    assert [name.lower() for name in order] == [name.replace(" ", "") for name in documented]


def test_what_is_off_is_not_put_around() -> None:
    few = [type(one).__name__ for one in package.interceptors(CLASSES, LIMITS)]
    assert few == ["Calls", "Metrics", "Errors", "Audit", "Limits", "Decoding"]


async def test_the_first_interceptor_stands_outermost() -> None:
    seen: list[str] = []

    class Noting:
        def __init__(self, name: str) -> None:
            self.name = name

        def around(self, method: Method, behaviour: Any) -> Any:
            async def call(request: Any, context: Any) -> Any:
                seen.append(self.name)
                return await behaviour(request, context)

            return call

    async def behaviour(request: Any, _context: Any) -> Any:
        return request + 1

    assert await wrapped(METHOD, behaviour, [Noting("a"), Noting("b")])(4, None) == 5
    assert seen == ["a", "b"]


class Context:
    """As much of a call's context as an interceptor uses."""

    def __init__(self, request: bytes = b"") -> None:
        self.status: Any = None
        self.request = request

    async def read(self) -> Any:
        return self.request

    def code(self) -> Any:
        return self.status.code if self.status else 0

    def time_remaining(self) -> Any:
        return None

    def invocation_metadata(self) -> Any:
        return (("x-request-id", "r-1"), ("key-bin", b"x"))

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def abort_with_status(self, status: Any) -> None:
        self.status = status
        raise grpc.aio.AbortError


async def call(behaviour: Any, request: bytes = b"") -> Context:
    """A call through all interceptors, as the server would make it."""
    context = Context(request)
    await wrapped(METHOD, behaviour, package.interceptors(CLASSES, LIMITS))(None, context)
    return context


async def test_a_request_is_decoded_inside_and_what_cannot_be_is_refused() -> None:
    seen: list[Any] = []

    async def behaviour(request: Any, _context: Any) -> None:
        seen.append(request.stream)

    await call(behaviour, event_store_pb2.GetStreamRequest(stream="A").SerializeToString())
    assert seen == ["A"]
    with pytest.raises(grpc.aio.AbortError):
        await call(behaviour, b"\xff\xff")
    assert seen == ["A"]


async def test_the_call_that_is_served_is_known_inside() -> None:
    seen: list[Any] = []

    async def behaviour(_request: Any, context: Any) -> None:
        current = CURRENT.get()
        assert current is not None
        seen.append((current.method.path, current.request_id, current.peer, current.metadata))

    await call(behaviour)
    assert seen == [("/mink.v1.EventStore/GetStream", "r-1", "ipv4:127.0.0.1:1", {"x-request-id": "r-1"})]


def count(code: str) -> float:
    labels = {"grpc_type": "unary", "grpc_service": "mink.v1.EventStore", "grpc_method": "GetStream", "grpc_code": code}
    return REGISTRY.get_sample_value("grpc_server_handled_total", labels) or 0


def raising(error: BaseException) -> Any:
    async def behaviour(_request: Any, _context: Any) -> None:
        raise error

    return behaviour


async def test_a_status_is_made_inside_and_counted_outside() -> None:
    before = count("NotFound")
    with pytest.raises(grpc.aio.AbortError):
        await call(raising(errors.StreamNotFoundError("A")))
    assert count("NotFound") == before + 1

    async def fine(_request: Any, _context: Any) -> str:
        return "fine"

    before = count("OK")
    await call(fine)
    assert count("OK") == before + 1
    before = count("Canceled")

    async def endless(_request: Any, _context: Any) -> None:
        await asyncio.sleep(60)

    cancelled = asyncio.create_task(call(endless))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert count("Canceled") == before + 1


async def test_a_call_of_which_only_a_part_was_cancelled_has_a_status() -> None:
    async def behaviour(_request: Any, _context: Any) -> None:
        part = asyncio.create_task(asyncio.sleep(60))
        part.cancel()
        await part

    before = count("Internal")
    with capture_logs() as logs, pytest.raises(grpc.aio.AbortError):
        await call(behaviour)
    assert count("Internal") == before + 1
    assert "a part of a call was cancelled" in [log["event"] for log in logs]


async def test_a_client_that_left_while_something_was_written_to_it_is_counted_as_canceled() -> None:
    before = (count("Canceled"), count("OK"))
    await call(raising(grpc.aio.BaseError()))
    assert (count("Canceled"), count("OK")) == (before[0] + 1, before[1])


async def test_what_nobody_expected_is_internal_without_its_text_and_in_the_log_with_it() -> None:
    before = count("Internal")
    with capture_logs() as logs, pytest.raises(grpc.aio.AbortError):
        await call(raising(ZeroDivisionError("hush")))
    assert count("Internal") == before + 1
    assert [log["log_level"] for log in logs] == ["error"]
    assert "hush" not in str(to_proto(ZeroDivisionError("hush")))
    assert "hush" not in str(to_proto(errors.MinkError("hush")))


def every_error() -> list[errors.MinkError]:
    return [
        errors.WrongExpectedVersionError([errors.ExpectationViolation("A", 1, 2)]),
        errors.EventIdConflictError("x"),
        errors.StreamNotFoundError("A"),
        errors.StreamDeletedError("A", tombstoned=True),
        errors.SnapshotNotFoundError("A"),
        errors.ProjectionNotFoundError("A"),
        errors.ProjectionInUseError("A", "a worker runs it"),
        errors.InvalidRequestError([errors.FieldViolation("a", "b")]),
        errors.EventTooLargeError("an event", 2, 1),
        errors.RequestTooLargeError("the append", 2, 1),
        errors.PositionAheadError(2, 1, "x"),
        errors.UnauthenticatedError("a token is needed", "read"),
        errors.PermissionDeniedError("not this stream", "append", "A"),
        errors.DatabaseUnavailableError(),
        errors.ShuttingDownError(),
        errors.OverloadedError("x"),
        errors.AppendTimeoutError(),
    ]


def test_every_error_of_the_core_has_a_row() -> None:
    def leaves(kind: type) -> set[type]:
        below = [leaf for child in kind.__subclasses__() if child.__module__ == errors.__name__ for leaf in leaves(child)]
        return set(below) or {kind}

    assert {type(error) for error in every_error()} == leaves(errors.MinkError)
    for error in every_error():
        status = to_proto(error)
        assert status.code != grpc.StatusCode.INTERNAL.value[0], error
        assert status.message == str(error)
        if not isinstance(error, errors.AppendTimeoutError):
            info = error_details_pb2.ErrorInfo()
            assert status.details[0].Unpack(info)
            assert (info.reason, info.domain) == (error.reason, "mink")
            assert len(status.details) == 2
        failure = errors_pb2.Failure.FromString(to_failure(error))
        assert (failure.code, failure.message, list(failure.details)) == (status.code, status.message, list(status.details))
        assert status_pb2.Status.FromString(failure.SerializeToString()) == status


def test_a_message_is_never_too_long_for_a_header() -> None:
    wrong = errors.InvalidRequestError([errors.FieldViolation("x" * 500, "y" * 500) for _ in range(100)])
    assert len(to_proto(wrong).message) <= 2000
    far = errors.WrongExpectedVersionError([errors.ExpectationViolation("😀" * 500, 1, 2)])
    assert len(to_proto(far).message.encode()) < 4000
