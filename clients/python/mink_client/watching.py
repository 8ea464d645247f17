"""Being told of something for as long as it takes: a call without an end, made anew when it breaks."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, TypeVar

import grpc

from mink_client.channel import Connection
from mink_client.errors import MinkError, ShuttingDown, Unavailable
from mink_client.reading import StreamingCall
from mink_client.retry import Backoff, is_transient

_log: Final = logging.getLogger("mink_client")

T = TypeVar("T")


async def watch(
    connection: Connection, begin: Callable[[], StreamingCall[T]], *, timeout: float, silence_timeout: float
) -> AsyncGenerator[T, None]:
    """The messages of a call, and of those that take its place. To be closed by whoever breaks off.

    Args:
        connection: Where the calls go.
        begin: Begins a call. Its first message says all there is to say, so that nothing is lost between two calls.
        timeout: Seconds that the first message may take, with all retries. A server that has once answered is waited for.
        silence_timeout: Seconds without any message after which a call counts as broken.

    Raises:
        MinkError: It failed for good.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + timeout
    waits = Backoff()
    answered = False
    while True:
        connection.check_open()
        version = connection.version
        call = begin()
        cause: BaseException | None = None
        try:
            messages = aiter(call)
            while True:
                patience = silence_timeout if answered else min(silence_timeout, timeout)
                message, failure, cause = await _next(connection, messages, patience)
                if failure is not None or message is None:
                    break
                if waits.attempts:
                    _log.info("the watch goes on")
                waits.reset()
                answered = True
                yield message
        finally:
            call.cancel()
        failure = failure or Unavailable("UNAVAILABLE", "the server ended the watch")
        if await waits.renews(connection, version, failure):
            continue
        delay = waits.next(failure)
        # A server that has never answered may not be one; a server that has will be back.
        unknown = not answered and loop.time() + delay >= give_up_at
        if unknown or not is_transient(failure):
            raise failure from cause
        # A server that ends the call on purpose is nothing to worry about.
        worth = waits.attempts == 1 and not isinstance(failure, ShuttingDown)
        _log.log(logging.WARNING if worth else logging.INFO, "watch interrupted: %s; again in %.1f s", failure, delay)
        await asyncio.sleep(delay)


async def _next(
    connection: Connection, messages: AsyncIterator[T], patience: float
) -> tuple[T | None, MinkError | None, BaseException | None]:
    """The next message; or why there is none. All None: the call has ended well."""
    try:
        async with asyncio.timeout(patience):
            return await anext(messages, None), None, None
    except TimeoutError:
        return None, Unavailable("UNAVAILABLE", f"no message from Mink at {connection.target} for {patience:g} s"), None
    except grpc.aio.AioRpcError as cause:
        return None, connection.error(cause), cause
    except asyncio.CancelledError:
        return None, connection.call_was_cut(), None
