"""Calling what users write: handlers and hooks, in the event loop or in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mink_client.projections.failures import NoException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from mink_client.events import RecordedEvent

T = TypeVar("T")

_SLACK: Final = 0.1
"""The part of a handler's time by which it may be longer, so that the clock is not set for every event."""


class Interrupted(Exception):  # noqa: N818 - never leaves the package
    """Nobody waits any more for what a thread is doing."""


@dataclass(frozen=True, slots=True)
class Function:
    """A handler or a hook, made uniform.

    Attributes:
        name: What it is called, for messages.
        call: Calls it with everything that it might take.
        plain: Whether it is a plain function; otherwise it is `async def`.
    """

    name: str
    call: Callable[..., Any]
    plain: bool

    async def in_loop(self, *args: Any) -> None:
        """Calls it; a plain one in a thread.

        Args:
            args: What it might take.
        """
        if self.plain:
            await in_thread(self.in_thread, *args)
        else:
            await self.call(*args)

    def in_thread(self, *args: Any) -> None:
        """Calls a plain one, here.

        Args:
            args: What it might take.
        """
        result = self.call(*args)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(f"{self.name}: returns a coroutine that nobody awaits; make it `async def`")


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a projection does beside handling events; each may be missing."""

    setup: Function | None = None
    clear: Function | None = None
    switch: Function | None = None


@dataclass(frozen=True, slots=True)
class Handlers:
    """A projection's handlers: either one for batches, or one for each event type.

    Attributes:
        batch: The one for batches; None if there is none.
        by_type: Those by event type.
    """

    batch: Function | None
    by_type: Mapping[str, Function]


class Work:
    """Calls of handlers for some events, in order.

    Attributes:
        event: The event that is being handled; None: no single one.
        done: How many events are handled.
    """

    __slots__ = ("_clock", "_handlers", "_loop", "_renew_at", "_stopped", "_timeout", "done", "event", "events")

    def __init__(self, handlers: Handlers, events: Sequence[RecordedEvent], timeout: float | None) -> None:
        """Prepares.

        Args:
            handlers: The handlers.
            events: The events; at least one.
            timeout: Seconds for each call of a handler; None: no limit.
        """
        self.events: Final = events
        self.event: RecordedEvent | None = events[0] if len(events) == 1 else None
        self.done = 0
        self._handlers = handlers
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._clock: asyncio.Timeout | None = None
        self._renew_at = 0.0
        self._stopped = False

    def limit(self, clock: asyncio.Timeout) -> None:
        """Has the time of each call watched.

        Args:
            clock: What ends the calls when it rings.
        """
        if self._timeout is not None:
            self._clock = clock
            self._renew()

    def stop(self) -> None:
        """No further handler is called in a thread."""
        self._stopped = True

    async def in_loop(self, handle: Any) -> None:
        """Makes the calls in the event loop; those of plain functions in threads.

        Args:
            handle: The transaction as handlers get it.
        """
        with _failures():
            await self._in_loop(handle)

    async def _in_loop(self, handle: Any) -> None:
        if self._handlers.batch is not None:
            await self._handlers.batch.in_loop(list(self.events), handle)
            self.done = len(self.events)
            return
        find = self._handlers.by_type.get
        limited = self._clock is not None
        for event in self.events:
            self.event = event
            function = find(event.type)
            if function is not None:
                if limited and time.monotonic() >= self._renew_at:
                    self._renew()
                await (function.in_loop(event, handle) if function.plain else function.call(event, handle))
            self.done += 1

    def in_thread(self, handle: Any) -> None:
        """Makes the calls here, outside of the event loop.

        Args:
            handle: The transaction as handlers get it.

        Raises:
            Interrupted: `stop` was called.
        """
        with _failures():
            self._in_thread(handle)

    def _in_thread(self, handle: Any) -> None:
        if self._handlers.batch is not None:
            self._handlers.batch.in_thread(list(self.events), handle)
            self.done = len(self.events)
            return
        find = self._handlers.by_type.get
        limited = self._clock is not None
        for event in self.events:
            if self._stopped:
                raise Interrupted
            self.event = event
            function = find(event.type)
            if function is not None:
                if limited and time.monotonic() >= self._renew_at:
                    self._renew_at = time.monotonic() + (self._timeout or 0.0) * _SLACK
                    self._loop.call_soon_threadsafe(self._renew)
                function.in_thread(event, handle)
            self.done += 1

    def _renew(self) -> None:
        assert self._clock is not None
        assert self._timeout is not None
        self._renew_at = time.monotonic() + self._timeout * _SLACK
        with contextlib.suppress(RuntimeError):  # it has rung, or is not needed any more
            self._clock.reschedule(self._loop.time() + self._timeout * (1 + _SLACK))


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Makes failures like others of what handlers raise and is no `Exception`: a panic of Rust, a cancellation nobody asked for.

    What is to end the process passes, and so does the cancellation of the task that handles events.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise NoException(error) from error
    except BaseException as error:
        raise NoException(error) from error


def _is_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # in a thread, where nothing is cancelled
        return False
    return task is None or task.cancelling() > 0


async def in_thread(
    call: Callable[..., T], *args: Any, executor: Executor | None = None, stop: Callable[[], None] | None = None
) -> T:
    """Runs something in a thread, and does not go on before it has ended, also when cancelled: nothing runs on unseen.

    Args:
        call: What to run.
        args: Its arguments.
        executor: Where; None: in the loop's own threads.
        stop: What makes it end earlier when cancelled.
    """
    context = contextvars.copy_context()

    def run() -> T:
        try:
            return context.run(call, *args)
        except StopIteration as error:  # which no future takes: it would never be done
            raise RuntimeError(f"{getattr(call, '__name__', 'a function')} raised StopIteration") from error

    future = asyncio.get_running_loop().run_in_executor(executor, run)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        await _ended(future)
        raise


async def _ended(future: asyncio.Future[Any]) -> None:
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):  # the first one is raised when it has ended
            await asyncio.wait({future})
    if not future.cancelled():
        future.exception()
