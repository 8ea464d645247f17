"""Runs checks beside each other, each with a time limit of its own, so that one that hangs hides no other."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mink_server.core.errors import MinkError
from mink_server.core.log import Check
from mink_server.storage.errors import DATABASE_ERRORS, unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import asyncpg

    from mink_server.storage.database import Database

CHECK_SECONDS: Final = 2.5
_ALL_SECONDS: Final = 6.0
_LANES: Final = 3

_LOOK_AT_POSTGRES: Final = "look at Postgres's log, and at the checks above"


class Finding(NamedTuple):
    """How a check came out: `outcome` is ok, warning or failed."""

    outcome: str
    message: str
    recommendation: str = ""


def ok(message: str) -> Finding:
    """It is as it should be."""
    return Finding("ok", message)


def warning(message: str, recommendation: str) -> Finding:
    """It works, and wants attention."""
    return Finding("warning", message, recommendation)


def failed(message: str, recommendation: str) -> Finding:
    """It does not work."""
    return Finding("failed", message, recommendation)


# A check that asks Postgres, over a connection that it may use alone.
Probe = tuple[str, "Callable[[asyncpg.Connection[Any]], Awaitable[Finding]]"]
# A check of something else.
OtherCheck = "Callable[[], Check | Sequence[Check] | Awaitable[Check | Sequence[Check]]]"


async def timed(component: str, look: Callable[[], Awaitable[Finding]], seconds: float = CHECK_SECONDS) -> Check:
    """Makes a check; what it raises, or that it does not end in time, is a finding."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            finding = await look()
    except TimeoutError:
        finding = failed(f"no answer in {seconds:g} s", _LOOK_AT_POSTGRES)
    except MinkError as error:
        finding = failed(str(error), _LOOK_AT_POSTGRES)
    except DATABASE_ERRORS as error:
        finding = failed(_words(error), _LOOK_AT_POSTGRES)
    return Check(component, *finding, time.perf_counter() - started)


def _words(error: BaseException) -> str:
    known = unavailable(error)
    return str(known) if known else f"Postgres refuses to tell ({getattr(error, 'sqlstate', None) or type(error).__name__})"


async def run(database: Database, probes: Sequence[Probe], others: Sequence[Any]) -> list[Check]:
    """Makes checks, those that ask Postgres over a few connections of their own.

    Args:
        database: Where those ask.
        probes: Checks that ask Postgres.
        others: Checks that do not: functions without parameters that give one `Check` or several, or an awaitable of that.

    Returns:
        What was found, in the order given; what did not come to its end in time is there as failed.
    """
    found: dict[int, list[Check]] = {}
    waiting = deque(enumerate(probes))

    async def lane() -> None:
        lent = _Lent(database)
        try:
            while waiting:
                number, (component, look) = waiting.popleft()
                found[number] = [await timed(component, lambda look=look: lent.use(look))]  # type: ignore[misc]
        finally:
            lent.drop()

    async def other(number: int, check: Any) -> None:
        found[number] = await _other(check)

    tasks = [asyncio.create_task(lane()) for _ in range(min(_LANES, len(probes)))]
    tasks += [asyncio.create_task(other(number, check)) for number, check in enumerate(others, len(probes))]
    if tasks:
        await _end(tasks)
    for number, (component, _) in enumerate(probes):
        late = Check(component, *failed(f"not done within {_ALL_SECONDS:g} s", _LOOK_AT_POSTGRES), _ALL_SECONDS)
        found.setdefault(number, [late])
    return [check for number in sorted(found) for check in found[number]]


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    try:
        await asyncio.wait(tasks, timeout=_ALL_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Lent:
    """A connection that a check uses alone, and the next one after it unless it failed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection[Any] | None = None

    async def use(self, look: Callable[[asyncpg.Connection[Any]], Awaitable[Finding]]) -> Finding:
        try:
            if self._connection is None:
                self._connection = await self._database.connect()
            return await look(self._connection)
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _other(check: Any) -> list[Check]:
    """What a check of something else found; one that fails is itself a finding."""
    name = getattr(check, "__name__", "check").strip("_")
    started = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            given = check()
            if inspect.isawaitable(given):
                given = await given
    except TimeoutError:
        given = Check(name, *failed(f"no answer in {CHECK_SECONDS:g} s", "look at the server's log"), CHECK_SECONDS)
    except Exception as error:  # noqa: BLE001 - a check that fails must not hide the others
        told = str(error) if isinstance(error, MinkError) else f"the check itself failed ({type(error).__name__})"
        given = Check(name, *failed(told, "look at the server's log"), time.perf_counter() - started)
    return [given] if isinstance(given, Check) else list(given)
