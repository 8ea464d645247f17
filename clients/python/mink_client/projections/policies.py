"""What is done when a handler fails: which failures pass, how often it is tried again, and what becomes of a poison event."""

from __future__ import annotations

import math
import random
import socket
import sqlite3
import time
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from mink_client.errors import DeadlineExceeded, Overloaded, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

Place: TypeAlias = tuple[int, int]
"""A build and a partition."""

# By SQLSTATE, or its first two characters: what passes, or is mended without a change of the code.
_PASSING_STATES: Final = frozenset(
    {
        "08",  # the connection broke
        "25006",  # a standby: the primary is elsewhere by now
        "25P03",  # idle in a transaction for too long
        "40",  # serialization failure, deadlock
        "53",  # out of disk, memory or connections
        "55P03",  # a lock was not free in time
        "57",  # it stops, starts, or was told to cancel
        "58",  # its files cannot be read or written
    }
)
_PASSING_SQLITE: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL})


class Transient(Exception):  # noqa: N818 - raised by users
    """To be raised by a handler for what will pass: the same events are handled again a moment later."""


class OnPoison(StrEnum):
    """What becomes of an event that its handler cannot handle. Never the batch along with it."""

    STOP = "stop"
    """The partition is faulted, just before the event."""
    SKIP = "skip"
    """It is passed over, and counted."""
    PARK = "park"
    """It is set aside at the server, to be replayed or dropped by an operator."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often handlers are tried again after a failure that passes.

    Attributes:
        attempts: How often at most, the first time included.
        first: Seconds to wait after the first failure; doubled after each further one.
        longest: Seconds to wait at most.
        timeout: Seconds that a handler may take: for one event, or one batch; None: as long as it likes. A plain function cannot be
            interrupted: that it took too long is noticed when it ends.
        transient: Kinds of errors that pass, beside those that are known to.
    """

    attempts: int = 5
    first: float = 0.1
    longest: float = 10.0
    timeout: float | None = 60.0
    transient: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        _check("attempts", self.attempts, 1)
        _check("first", self.first, 0)
        _check("longest", self.longest, self.first)
        if self.timeout is not None and not (_number(self.timeout) and self.timeout > 0):
            raise ValueError(f"timeout: more than 0 seconds, or None, not {self.timeout!r}")
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in self.transient):
            raise TypeError("transient: a tuple of exception classes")

    def delay(self, failures: int) -> float:
        """Seconds to wait, with jitter.

        Args:
            failures: How many there were.
        """
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 60)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def passes(self, error: BaseException) -> bool:
        """Whether the same may succeed a moment later.

        Args:
            error: The failure.
        """
        return isinstance(error, self.transient) or is_transient(error)


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a faulted partition is handled again by itself, before it is left to an operator.

    What is no event's fault, such as a database that is away, is tried again as long as it takes; never with `attempts` 0.

    Attributes:
        attempts: How often, within `within`; 0: never.
        within: Seconds.
        first: Seconds to wait after the first fault; doubled after each further one.
        longest: Seconds to wait at most.
    """

    attempts: int = 3
    within: float = 600.0
    first: float = 5.0
    longest: float = 300.0

    def __post_init__(self) -> None:
        _check("attempts", self.attempts, 0)
        _check("within", self.within, 0)
        _check("first", self.first, 0)
        _check("longest", self.longest, self.first)

    def after(self, faults: int, *, passing: bool = False) -> float | None:
        """Seconds to wait; None: until an operator restarts it.

        Args:
            faults: How many faults there were within `within`, this one included.
            passing: Whether this one was no event's.
        """
        if self.attempts == 0 or (faults > self.attempts and not passing):
            return None
        return min(self.longest, self.first * 2.0 ** min(faults - 1, 60))


class Faults:
    """The faults of a projection's partitions in this process, as far as its policy has to know."""

    _MOST_PLACES: Final = 1024
    _MOST_FAULTS: Final = 64

    def __init__(self, policy: RestartPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        """None yet.

        Args:
            policy: The policy.
            clock: Seconds, growing.
        """
        self._policy = policy
        self._clock = clock
        self._faults: dict[Place, deque[float]] = {}

    def restart_after(self, place: Place, *, passing: bool) -> float | None:
        """There was one more; seconds to wait, or None: until an operator restarts it.

        Args:
            place: Where.
            passing: Whether it was no event's.
        """
        now = self._clock()
        faults = self._faults.pop(place, None) or deque(maxlen=max(self._policy.attempts + 1, self._MOST_FAULTS))
        while faults and faults[0] <= now - self._policy.within:
            faults.popleft()
        faults.append(now)
        self._faults[place] = faults
        if len(self._faults) > self._MOST_PLACES:
            del self._faults[next(iter(self._faults))]
        return self._policy.after(len(faults), passing=passing)


def is_transient(error: BaseException) -> bool:
    """Whether a failure passes: a lost connection, a deadlock, a timeout, a database that is away; or `Transient`.

    Args:
        error: The failure.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_transient(part) for part in error.exceptions)
    if isinstance(
        error, Transient | TimeoutError | ConnectionError | socket.gaierror | Unavailable | Overloaded | DeadlineExceeded
    ):
        return True
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING_SQLITE
    state = getattr(error, "sqlstate", None)  # asyncpg's, psycopg's
    if isinstance(state, str):
        return state in _PASSING_STATES or state[:2] in _PASSING_STATES
    inner = getattr(error, "orig", None)  # SQLAlchemy's
    return isinstance(inner, Exception) and inner is not error and is_transient(inner)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check(name: str, value: float, least: float) -> None:
    if not (_number(value) and value >= least) or (name == "attempts" and not isinstance(value, int)):
        raise ValueError(f"{name}: {least:g} or more, not {value!r}")
