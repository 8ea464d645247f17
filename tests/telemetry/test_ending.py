"""How a call ended, told from what is left of its time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from mink_server.rpc.interceptors.ending import code_of
from mink_server.telemetry.call import Call, Method

LEFT = asyncio.CancelledError()


class Context:
    """As much of a call's context as is asked for."""

    def __init__(self, left: float | None, code: Any = None) -> None:
        self._left = left
        self._code = code

    def time_remaining(self) -> float | None:
        return self._left

    def code(self) -> Any:
        return self._code


def call(passed: float, left: float | None, code: Any = None) -> Call:
    """A call that began some seconds ago and has some left."""
    made = Call(Method("s", "m", "unary"), Context(left, code))
    made.started = time.perf_counter() - passed
    return made


@pytest.mark.parametrize(
    ("passed", "left", "code"),
    [
        (5, None, "CANCELLED"),  # no deadline
        (0.1, 0, "DEADLINE_EXCEEDED"),
        (5, 55, "CANCELLED"),
        (60, 0.5, "DEADLINE_EXCEEDED"),  # rounded up on its way
        (60, 2, "CANCELLED"),
        (0.3, 0.05, "DEADLINE_EXCEEDED"),  # the request was late
        (0.3, 0.2, "CANCELLED"),
        (0.02, 0.02, "CANCELLED"),  # short, and half of it left
    ],
)
def test_a_cancellation_near_the_deadline_is_the_deadline(passed: float, left: float | None, code: str) -> None:
    assert code_of(call(passed, left), LEFT) is grpc.StatusCode[code]


def test_a_client_that_left_while_something_was_written_has_canceled_although_nothing_was_raised() -> None:
    made = call(1, None)
    made.left = True
    assert code_of(made, None) is grpc.StatusCode.CANCELLED


@pytest.mark.parametrize(("given", "code"), [(grpc.StatusCode.ABORTED, "ABORTED"), (5, "NOT_FOUND"), (None, "UNKNOWN")])
def test_an_error_has_the_code_that_the_context_has(given: Any, code: str) -> None:
    assert code_of(call(1, None, given), grpc.aio.AbortError()) is grpc.StatusCode[code]


def test_who_asks_twice_gets_the_same_answer() -> None:
    made = call(1, None)
    assert code_of(made, LEFT) is code_of(made, None) is grpc.StatusCode.CANCELLED
    assert code_of(call(1, None), None) is grpc.StatusCode.OK
