"""When to try again, and how long to wait before that."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc

from mink_client.channel import Connection
from mink_client.errors import DeadlineExceeded, MinkError, Overloaded, ShuttingDown, Unauthenticated, Unavailable, of_size

_FIRST: Final = 0.05
_LONGEST: Final = 2.0

T = TypeVar("T")


def is_transient(error: MinkError) -> bool:
    """Whether the same call can succeed a moment later, and may be sent again if sending it twice does no harm."""
    return isinstance(error, Unavailable | Overloaded)


def was_refused(error: MinkError) -> bool:
    """Whether the server certainly did nothing: then even a call that must not be sent twice may be sent again."""
    return isinstance(error, Overloaded | ShuttingDown)


class Backoff:
    """How long to wait before the next attempt: doubling, with jitter, and never less than the server asks for."""

    __slots__ = ("attempts", "renewed")

    def __init__(self) -> None:
        self.attempts = 0
        self.renewed = False

    def reset(self) -> None:
        """The last attempt succeeded."""
        self.attempts = 0
        self.renewed = False

    async def renews(self, connection: Connection, version: int, error: MinkError) -> bool:
        """Whether to try again at once, because the server refused a token that has been replaced; once between successes.

        Args:
            connection: Where the call went.
            version: The version of the credentials with which it began.
            error: The failure.
        """
        if self.renewed or not isinstance(error, Unauthenticated):
            return False
        self.renewed = True
        return await connection.credentials.renew(version)

    def next(self, error: MinkError | None = None) -> float:
        """Seconds to wait after one more failure.

        Args:
            error: The failure; its `retry_after`, if it has one, is the least that is waited.
        """
        delay = backoff(self.attempts, error)
        self.attempts += 1
        return delay


def backoff(attempts: int, error: MinkError | None = None) -> float:
    """Seconds to wait after a failure that `attempts` failures came before."""
    delay: float = min(_LONGEST, _FIRST * 2 ** min(attempts, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    asked = getattr(error, "retry_after", None)
    if asked:
        # Those who were sent away together should not come back together.
        delay = max(delay, asked * random.uniform(1.0, 1.2))  # noqa: S311
    return delay


async def call(
    connection: Connection,
    attempt: Callable[[float], Awaitable[T]],
    timeout: float,
    *,
    may_retry: Callable[[MinkError], bool] = is_transient,
    patience: float = math.inf,
    size: int = 0,
) -> T:
    """Makes a unary call, again and again until it succeeds, fails for good, or the time is over.

    Args:
        connection: Where the call goes.
        attempt: Makes the call; it gets the seconds that are left.
        timeout: Seconds for all attempts together.
        may_retry: Which failures to try again after.
        patience: Seconds for which to try again, where one attempt may take long.
        size: Bytes of a request with events or a state.

    Raises:
        MinkError: The last failure.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    last_start = loop.time() + patience
    waits = Backoff()
    last: MinkError | None = None
    while True:
        connection.check_open()
        version = connection.version
        why: BaseException | None = None
        try:
            return await attempt(max(deadline - loop.time(), 0.001))
        except grpc.aio.AioRpcError as cause:
            error, why = connection.error(cause), cause
        except asyncio.CancelledError:
            error = connection.call_was_cut()
        if isinstance(error, DeadlineExceeded):
            raise last or DeadlineExceeded(f"no answer from Mink at {connection.target} within {timeout:g} s") from why
        if await waits.renews(connection, version, error):
            continue
        delay = waits.next(error)
        if not may_retry(error) or loop.time() + delay >= min(deadline, last_start):
            raise of_size(error, size) from why
        last = error
        await asyncio.sleep(delay)
