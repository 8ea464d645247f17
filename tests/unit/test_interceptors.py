"""What happens around a call, and in which order."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from mink_server.core import errors
from mink_server.rpc import interceptors as package
from mink_server.rpc.errors import to_failure, to_proto
from mink_server.rpc.interceptors.errors import Errors
from mink_server.rpc.interceptors.metrics import Metrics
from mink_server.rpc.interceptors.wrapping import is_ours, wrapped
from mink_server.telemetry.metrics import REGISTRY
from structlog.testing import capture_logs


def test_the_order_is_the_one_that_is_written_down() -> None:
    order = [type(one) for one in package.interceptors()]
    assert order == [Metrics, Errors]
    documented = [
        line.split(".", 1)[1].split(":")[0].strip() for line in (package.__doc__ or "").splitlines() if line[:1].isdigit()
    ]
    assert [kind.__name__.lower() for kind in order] == documented


def test_which_methods_are_ours() -> None:
    assert is_ours("/mink.v1.EventStore/ReadAll")
    for method in (
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/minker.v1.X/Y",
        "",
    ):
        assert not is_ours(method)


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
async def test_every_kind_of_method_is_wrapped_and_keeps_its_serializers(kind: str) -> None:
    async def behaviour(request: Any, _context: Any) -> Any:
        return request + 1

    def wrap(inner: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            return await inner(request * 10, context)

        return call

    handler = getattr(grpc, f"{kind}_rpc_method_handler")(behaviour, bytes, str)
    made = wrapped(handler, wrap)
    assert (made.request_deserializer, made.response_serializer) == (bytes, str)
    assert (made.request_streaming, made.response_streaming) == (handler.request_streaming, handler.response_streaming)
    assert await getattr(made, kind)(4, None) == 41


class Details:
    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata = ()


class Context:
    """As much of a call's context as an interceptor uses."""

    def __init__(self) -> None:
        self.status: Any = None

    def code(self) -> Any:
        return self.status.code if self.status else 0

    async def abort_with_status(self, status: Any) -> None:
        self.status = status
        raise grpc.aio.AbortError


async def call(behaviour: Any, method: str = "/mink.v1.EventStore/GetStream") -> Context:
    """A call through all interceptors, as the server would make it."""

    async def handler(_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(behaviour)

    continuation: Any = handler
    for one in reversed(package.interceptors()):

        def bound(details: Any, one: Any = one, inner: Any = continuation) -> Any:
            return one.intercept_service(inner, details)

        continuation = bound
    context = Context()
    made = await continuation(Details(method))
    await made.unary_unary(None, context)
    return context


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
    with pytest.raises(asyncio.CancelledError):
        await call(raising(asyncio.CancelledError()))
    assert count("Canceled") == before + 1


async def test_what_nobody_expected_is_internal_without_its_text_and_in_the_log_with_it() -> None:
    before = count("Internal")
    with capture_logs() as logs, pytest.raises(grpc.aio.AbortError):
        await call(raising(ZeroDivisionError("hush")))
    assert count("Internal") == before + 1
    assert [log["log_level"] for log in logs] == ["error"]
    assert "hush" not in str(to_proto(ZeroDivisionError("hush")))
    assert "hush" not in str(to_proto(errors.MinkError("hush")))


async def test_methods_of_others_are_left_alone() -> None:
    with pytest.raises(errors.StreamNotFoundError):
        await call(raising(errors.StreamNotFoundError("A")), "/grpc.health.v1.Health/Check")


def every_error() -> list[errors.MinkError]:
    return [
        errors.WrongExpectedVersionError([errors.ExpectationViolation("A", 1, 2)]),
        errors.EventIdConflictError("x"),
        errors.StreamNotFoundError("A"),
        errors.StreamDeletedError("A", tombstoned=True),
        errors.SnapshotNotFoundError("A"),
        errors.InvalidRequestError([errors.FieldViolation("a", "b")]),
        errors.EventTooLargeError("an event", 2, 1),
        errors.RequestTooLargeError("the append", 2, 1),
        errors.PositionAheadError(2, 1, "x"),
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
        assert status_pb2.Status.FromString(to_failure(error).SerializeToString()) == status


def test_a_message_is_never_too_long_for_a_header() -> None:
    wrong = errors.InvalidRequestError([errors.FieldViolation("x" * 500, "y" * 500) for _ in range(100)])
    assert len(to_proto(wrong).message) <= 2000
    far = errors.WrongExpectedVersionError([errors.ExpectationViolation("😀" * 500, 1, 2)])
    assert len(to_proto(far).message.encode()) < 4000
