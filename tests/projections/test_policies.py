"""Which failures pass, how long is waited, and when it is left to an operator."""

from __future__ import annotations

import socket
import sqlite3
from typing import Any

import asyncpg
import pytest
from mink_client import DatabaseUnavailable, EventIdConflict
from mink_client.projections import RestartPolicy, RetryPolicy, Transient
from mink_client.projections.policies import Faults, is_transient


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


class FromAlchemyError(Exception):
    def __init__(self, orig: Exception) -> None:
        self.orig = orig


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (Transient("busy"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (socket.gaierror(), True),
        (asyncpg.SerializationError(), True),
        (asyncpg.DeadlockDetectedError(), True),
        (asyncpg.LockNotAvailableError(), True),
        (asyncpg.ConnectionDoesNotExistError(), True),
        (asyncpg.AdminShutdownError(), True),
        (asyncpg.TooManyConnectionsError(), True),
        (asyncpg.DiskFullError(), True),
        (asyncpg.ReadOnlySQLTransactionError(), True),
        (asyncpg.QueryCanceledError(), True),
        (asyncpg.UniqueViolationError(), False),
        (asyncpg.UndefinedTableError(), False),
        (asyncpg.InterfaceError("wrong"), False),
        (sqlite_error(sqlite3.SQLITE_BUSY), True),
        (sqlite_error(sqlite3.SQLITE_BUSY | 1 << 8), True),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT), False),
        (sqlite3.ProgrammingError(), False),
        (DatabaseUnavailable("DATABASE_UNAVAILABLE", "away"), True),
        (EventIdConflict("there", "id"), False),
        (FromAlchemyError(asyncpg.DeadlockDetectedError()), True),
        (FromAlchemyError(ValueError()), False),
        (ExceptionGroup("", [Transient(), TimeoutError()]), True),
        (ExceptionGroup("", [Transient(), ValueError()]), False),
        (ValueError(), False),
        (KeyError("qty"), False),
        (FileNotFoundError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_passes(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes
    assert RetryPolicy().passes(error) is passes


def test_a_projection_can_name_more_that_passes() -> None:
    assert RetryPolicy(transient=(KeyError,)).passes(KeyError())


def test_waits_double_up_to_the_longest_with_jitter() -> None:
    policy = RetryPolicy(first=1, longest=8)
    for failures, most in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (5000, 8)):
        waits = {policy.delay(failures) for _ in range(50)}
        assert len(waits) > 1
        assert all(most / 2 <= wait <= most for wait in waits)


def test_restarts_get_rarer_and_end() -> None:
    policy = RestartPolicy(attempts=3, first=5, longest=15)
    assert [policy.after(faults) for faults in range(1, 6)] == [5, 10, 15, None, None]
    assert [policy.after(faults, passing=True) for faults in range(1, 6)] == [5, 10, 15, 15, 15]
    assert RestartPolicy(attempts=0).after(1) is None
    assert RestartPolicy(attempts=0).after(1, passing=True) is None


def test_old_faults_are_forgotten_and_partitions_are_apart() -> None:
    now = 0.0
    faults = Faults(RestartPolicy(attempts=2, within=60, first=1, longest=60), clock=lambda: now)
    assert [faults.restart_after((1, 0), passing=False) for _ in range(3)] == [1, 2, None]
    assert faults.restart_after((1, 1), passing=False) == 1
    now = 61.0
    assert faults.restart_after((1, 0), passing=False) == 1


def test_what_is_known_of_faults_is_bounded() -> None:
    faults = Faults(RestartPolicy())
    for build in range(3000):
        faults.restart_after((build, 0), passing=True)
    for _ in range(3000):
        faults.restart_after((3000, 0), passing=True)
    assert len(faults._faults) <= 1024
    assert max(len(found) for found in faults._faults.values()) <= 64


@pytest.mark.parametrize(
    ("kind", "arguments", "name"),
    [
        (RetryPolicy, {"attempts": 0}, "attempts"),
        (RetryPolicy, {"attempts": 1.5}, "attempts"),
        (RetryPolicy, {"first": -1}, "first"),
        (RetryPolicy, {"first": float("nan")}, "first"),
        (RetryPolicy, {"first": 5, "longest": 1}, "longest"),
        (RetryPolicy, {"timeout": 0}, "timeout"),
        (RetryPolicy, {"timeout": "1"}, "timeout"),
        (RetryPolicy, {"transient": (3,)}, "transient"),
        (RestartPolicy, {"attempts": -1}, "attempts"),
        (RestartPolicy, {"within": "x"}, "within"),
        (RestartPolicy, {"first": 10, "longest": 1}, "longest"),
    ],
)
def test_a_wrong_argument_is_named(kind: Any, arguments: dict[str, Any], name: str) -> None:
    with pytest.raises((ValueError, TypeError), match=name):
        kind(**arguments)
