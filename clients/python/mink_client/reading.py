"""Reading a stream or the log: batches from the server, resumed after the last event seen if the connection breaks."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import grpc
from mink.v1 import event_pb2, event_store_pb2

from mink_client.arguments import request
from mink_client.channel import Connection
from mink_client.errors import DeadlineExceeded, MinkError
from mink_client.events import Direction, RecordedEvent
from mink_client.retry import Backoff, is_transient
from mink_client.snapshots import Snapshot

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class StreamingCall(AsyncIterable[T_co], Protocol[T_co]):
    """What this package needs of a call that answers with a stream."""

    def cancel(self) -> bool:
        """Ends the call."""


def event_filter(
    streams: Sequence[str], stream_prefixes: Sequence[str], categories: Sequence[str], types: Sequence[str]
) -> event_store_pb2.EventFilter:
    """The filter of a request.

    Raises:
        TypeError: One of the lists is a single text, which would be taken apart into letters, or holds something else than text.
    """
    given = {"streams": streams, "stream_prefixes": stream_prefixes, "categories": categories, "types": types}
    for name, value in given.items():
        if isinstance(value, str):
            raise TypeError(f"{name}: a list of texts, not one text: [{value!r}]")
    kind = event_store_pb2.EventFilter
    return request(kind, streams=streams, stream_prefixes=stream_prefixes, categories=categories, types=types)


class Source(Generic[T]):
    """The messages of a call, and of the calls that carry on where a broken one ended."""

    def __init__(self, connection: Connection, begin: Callable[[], StreamingCall[T] | None], timeout: float) -> None:
        """Prepares; nothing is sent before the first message is asked for.

        Args:
            connection: Where the calls go.
            begin: Begins a call after what was seen so far; None if there is nothing left to see.
            timeout: Seconds that each message may take, with all attempts to get it.
        """
        self._connection = connection
        self._begin = begin
        self._timeout = timeout
        self._waits = Backoff()
        self._call: StreamingCall[T] | None = None
        self._messages: AsyncIterator[T] | None = None
        self._version = 0  # of the credentials of the call

    async def next(self) -> T | None:
        """The next message; None at the end.

        Raises:
            MinkError: The reading failed for good, or no message came in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        last: MinkError | None = None
        while True:
            if self._messages is None:
                self._connection.check_open()
                self._version = self._connection.version
                self._call = self._begin()
                if self._call is None:
                    return None
                self._messages = aiter(self._call)
            why: BaseException | None = None
            try:
                async with asyncio.timeout_at(deadline):
                    message = await anext(self._messages, None)
            except TimeoutError:
                self.close()
                text = f"no answer from Mink at {self._connection.target} within {self._timeout:g} s"
                raise last or DeadlineExceeded(text) from None
            except grpc.aio.AioRpcError as cause:
                self.close()
                error, why = self._connection.error(cause), cause
            except asyncio.CancelledError:
                self.close()
                error = self._connection.call_was_cut()
            else:
                self._waits.reset()
                return message
            if await self._waits.renews(self._connection, self._version, error):
                continue
            last, delay = error, self._waits.next(error)
            if not is_transient(error) or loop.time() + delay >= deadline:
                raise error from why
            await asyncio.sleep(delay)

    def close(self) -> None:
        """Ends the call that is open, if there is one."""
        if self._call is not None:
            self._call.cancel()
        self._call = self._messages = None


def _wrap(events: Sequence[event_pb2.RecordedEvent]) -> list[RecordedEvent]:
    return list(map(RecordedEvent, events))


@dataclass(slots=True)
class StreamReading:
    """One reading of a stream: what was asked, and how far it has come."""

    connection: Connection
    stream: str
    from_version: int
    direction: Direction
    limit: int
    timeout: float
    since_snapshot: bool = False
    snapshot: Snapshot | None = None
    seen: int = 0
    finished: bool = False

    def _begin(self) -> StreamingCall[event_store_pb2.ReadStreamResponse] | None:
        if self.finished:
            return None
        return self.connection.event_store.ReadStream(
            request(
                event_store_pb2.ReadStreamRequest,
                stream=self.stream,
                from_version=self.from_version,
                direction=self.direction.value,
                limit=self.limit - self.seen if self.limit else 0,
                since_snapshot=self.since_snapshot,
            )
        )

    def _saw(self, message: event_store_pb2.ReadStreamResponse) -> None:
        """Moves the point to carry on from behind a message."""
        backwards = self.direction is Direction.BACKWARDS
        if message.HasField("snapshot"):
            self.snapshot = Snapshot(message.snapshot)
            self.since_snapshot = False
            self.from_version = self.snapshot.version + 1
        if message.events:
            last = message.events[-1].version
            self.since_snapshot = False
            self.from_version = last - 1 if backwards else last + 1
            self.seen += len(message.events)
            # Version 0 would mean the newest: reading backwards ends with version 1.
            self.finished = (backwards and last <= 1) or (self.limit > 0 and self.seen >= self.limit)

    async def batches(self) -> AsyncIterator[list[RecordedEvent]]:
        """The events, as many at once as the server sends."""
        source = Source(self.connection, self._begin, self.timeout)
        try:
            while (message := await source.next()) is not None:
                self._saw(message)
                if message.events:
                    yield _wrap(message.events)
        finally:
            source.close()

    async def events(self) -> AsyncIterator[RecordedEvent]:
        """The events, one by one."""
        source = Source(self.connection, self._begin, self.timeout)
        try:
            while (message := await source.next()) is not None:
                self._saw(message)
                for event in map(RecordedEvent, message.events):
                    yield event
        finally:
            source.close()

    async def everything(self) -> list[RecordedEvent]:
        """The events, all at once."""
        source = Source(self.connection, self._begin, self.timeout)
        found: list[RecordedEvent] = []
        try:
            while (message := await source.next()) is not None:
                self._saw(message)
                found.extend(map(RecordedEvent, message.events))
        finally:
            source.close()
        return found


@dataclass(slots=True)
class LogReading:
    """One reading of the log: what was asked, and how far it has come."""

    connection: Connection
    position: int
    direction: Direction
    limit: int
    filter: event_store_pb2.EventFilter
    timeout: float
    head: int | None = None
    seen: int = 0
    finished: bool = False

    def _begin(self) -> StreamingCall[event_store_pb2.ReadAllResponse] | None:
        if self.finished:
            return None
        backwards = self.direction is Direction.BACKWARDS
        return self.connection.event_store.ReadAll(
            request(
                event_store_pb2.ReadAllRequest,
                after_position=0 if backwards else self.position,
                before_position=self.position if backwards else 0,
                direction=self.direction.value,
                limit=self.limit - self.seen if self.limit else 0,
                filter=self.filter,
            )
        )

    def _saw(self, message: event_store_pb2.ReadAllResponse) -> Sequence[event_pb2.RecordedEvent]:
        """Moves the point to carry on from behind a message, and gives its events."""
        events: Sequence[event_pb2.RecordedEvent] = message.events
        backwards = self.direction is Direction.BACKWARDS
        if self.head is None:
            self.head = message.head
        elif message.head > self.head and not backwards:
            # A call that carried on sees a newer head; the reading ends where it was to end when it began.
            events = [event for event in events if event.position <= (self.head or 0)]
        self.seen += len(events)
        self.position = message.position
        # Before position 0 would mean from the newest: reading backwards ends with position 1.
        over = message.position <= 1 if backwards else message.position >= self.head
        self.finished = over or (self.limit > 0 and self.seen >= self.limit)
        return events

    async def batches(self) -> AsyncIterator[list[RecordedEvent]]:
        """The events, as many at once as the server sends."""
        source = Source(self.connection, self._begin, self.timeout)
        try:
            while (message := await source.next()) is not None:
                if events := self._saw(message):
                    yield _wrap(events)
        finally:
            source.close()

    async def events(self) -> AsyncIterator[RecordedEvent]:
        """The events, one by one."""
        source = Source(self.connection, self._begin, self.timeout)
        try:
            while (message := await source.next()) is not None:
                for event in map(RecordedEvent, self._saw(message)):
                    yield event
        finally:
            source.close()
