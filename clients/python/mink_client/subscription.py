"""Following the log, for as long as it takes: a subscription that carries on by itself when the connection breaks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc
from mink.v1 import event_store_pb2

from mink_client.channel import Connection
from mink_client.errors import ClientClosed, MinkError, ShuttingDown, Unavailable
from mink_client.events import RecordedEvent
from mink_client.retry import Backoff, is_transient

if TYPE_CHECKING:
    from mink_client.reading import StreamingCall

_log: Final = logging.getLogger("mink_client")


class Subscription:
    """Follows the log: everything after a position, in order, then what is appended.

    Each event comes once. When the server goes away, stops, or falls silent, the subscription connects again and carries
    on after the last position seen. Only the task that iterates may use it.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        after: int,
        from_end: bool,
        filter: event_store_pb2.EventFilter,  # noqa: A002
        log_id: str,
        timeout: float,
        silence_timeout: float,
    ) -> None:
        self._connection = connection
        self._from_end = from_end
        self._filter = filter
        self._timeout = timeout
        self._silence_timeout = silence_timeout

        self._open = False
        self._call: StreamingCall[event_store_pb2.SubscribeAllResponse] | None = None
        self._messages: AsyncIterator[event_store_pb2.SubscribeAllResponse] | None = None
        self._version = 0  # of the credentials of the call
        self._waits = Backoff()
        self._answered = False
        self._give_up_at: float | None = None

        self._log_id = log_id
        self._head = 0
        self._caught_up = False
        self._position = after  # everything up to it is delivered, once `_events` is used up
        self._events: Iterator[RecordedEvent] = iter(())
        self._last: RecordedEvent | None = None  # delivered last, out of `_events`

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the subscription."""
        self._open = False
        self._hang_up()

    @property
    def position(self) -> int:
        """The checkpoint: every event that passes the filter up to this position has been delivered. Resume after it."""
        last = self._last
        return self._position if last is None else last.position

    @property
    def caught_up(self) -> bool:
        """Whether all events that the log had were delivered, and what follows is live."""
        return self._caught_up

    @property
    def head(self) -> int:
        """The newest position that the server has told of; 0 before the first message."""
        return max(self._head, self.position)

    @property
    def lag(self) -> int:
        """How many positions the subscription is behind the head, as far as is known."""
        return self.head - self.position

    @property
    def log_id(self) -> str:
        """The log's id, a UUID; empty before the first message. Keep it with the checkpoint, and give both to the next one."""
        return self._log_id

    def __aiter__(self) -> AsyncIterator[RecordedEvent]:
        return self._one_by_one()

    async def _one_by_one(self) -> AsyncIterator[RecordedEvent]:
        while True:
            # The iterator is kept: whoever breaks off and iterates again goes on with the next event.
            for event in self._events:
                self._last = event
                yield event
            await self._receive()

    async def batches(self, *, idle: bool = False) -> AsyncIterator[list[RecordedEvent]]:
        """The events, as many at once as the server sends: for speed. `position` is then behind the whole batch.

        Args:
            idle: Give an empty list whenever the server says something else (a checkpoint every few seconds, caught up, fell
                behind), so that the caller can save `position` also when nothing matches.

        Raises:
            MinkError: The subscription failed for good; see `Mink.subscribe_all`.
        """
        while True:
            batch = list(self._events)
            self._last = None
            if batch or idle:
                yield batch
            await self._receive()

    async def _receive(self) -> None:
        """Takes the next message; over a new call if the present one breaks."""
        self._last = None
        if self._give_up_at is None:
            self._give_up_at = asyncio.get_running_loop().time() + self._timeout
        while True:
            if not self._open:
                raise ClientClosed("the subscription is used outside of `async with`")
            if self._messages is None:
                self._connection.check_open()
                self._dial()
            failure, cause = await self._next_message()
            if failure is None:
                return
            self._hang_up()
            if await self._waits.renews(self._connection, self._version, failure):
                continue
            delay = self._waits.next(failure)
            # A server that has never answered may not be one; a server that has will be back.
            unknown = not self._answered and asyncio.get_running_loop().time() + delay >= self._give_up_at
            if unknown or not is_transient(failure):
                raise failure from cause
            # A server that ends the call on purpose is nothing to worry about.
            worth = self._waits.attempts == 1 and not isinstance(failure, ShuttingDown)
            level = logging.WARNING if worth else logging.INFO
            _log.log(level, "subscription interrupted at position %d: %s; again in %.1f s", self._position, failure, delay)
            await asyncio.sleep(delay)

    async def _next_message(self) -> tuple[MinkError | None, BaseException | None]:
        """Takes one message of the present call; or says why there is none."""
        assert self._messages is not None
        try:
            async with asyncio.timeout(self._patience()):
                message = await anext(self._messages, None)
        except TimeoutError:
            return Unavailable("UNAVAILABLE", self._silence()), None
        except grpc.aio.AioRpcError as cause:
            return self._connection.error(cause), cause
        except asyncio.CancelledError:
            self._hang_up()
            return self._connection.call_was_cut(), None
        if message is None:
            return Unavailable("UNAVAILABLE", "the server ended the subscription"), None
        self._take(message)
        return None, None

    def _take(self, message: event_store_pb2.SubscribeAllResponse) -> None:
        kind = message.WhichOneof("message")
        if kind == "events":
            self._events = map(RecordedEvent, message.events.events)
            self._move(message.events.position)
        elif kind == "checkpoint":
            self._move(message.checkpoint.position)
            self._head = message.checkpoint.head
            self._log_id = message.checkpoint.log_id
        elif kind == "caught_up":
            self._move(message.caught_up.position)
            self._caught_up = True
        elif kind == "fell_behind":
            self._move(message.fell_behind.position)
            self._caught_up = False
        if self._waits.attempts:
            _log.info("subscription carries on after position %d", self._position)
        self._waits.reset()
        self._answered = True

    def _move(self, position: int) -> None:
        self._position = position
        self._from_end = False

    def _dial(self) -> None:
        request = event_store_pb2.SubscribeAllRequest(filter=self._filter, log_id=self._log_id)
        if self._from_end:
            request.from_end = True
        else:
            request.after_position = self._position
        self._version = self._connection.version
        self._call = self._connection.event_store.SubscribeAll(request)
        self._messages = aiter(self._call)

    def _hang_up(self) -> None:
        self._caught_up = False
        if self._call is not None:
            self._call.cancel()
        self._call = self._messages = None

    def _patience(self) -> float:
        return self._silence_timeout if self._answered else min(self._silence_timeout, self._timeout)

    def _silence(self) -> str:
        return f"no message from Mink at {self._connection.target} for {self._patience():g} s, not even a checkpoint"
