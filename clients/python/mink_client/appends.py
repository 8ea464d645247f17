"""Appends, coalesced: what all callers have in flight goes over one call, in as few messages as there can be."""

import asyncio
import contextvars
import heapq
import itertools
import logging
import math
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import lru_cache
from typing import Any, Final, cast

import grpc
from mink.v1 import event_store_pb2

from mink_client.arguments import REFUSED, wrong_event, wrong_part, wrong_text
from mink_client.channel import Connection
from mink_client.errors import ClientClosed, DeadlineExceeded, MinkError, Unauthenticated, Unavailable, from_failure
from mink_client.events import AppendManyResult, AppendResult, NewEvent, StreamAppend, StreamAppended
from mink_client.expectation import Expected, write_expectation
from mink_client.retry import Backoff, backoff, call, is_transient
from mink_client.tracing import tracing

_log: Final = logging.getLogger("mink_client")

_MOST_APPENDS: Final = 256
"""Appends in one message."""
_MOST_BYTES: Final = 1024 * 1024
"""Bytes in one message. A larger append goes by itself, over a call of its own: if it is too large, no other suffers."""
_MOST_IN_FLIGHT: Final = 10_000
"""Appends sent and not answered."""
_TICK: Final = 0.01
"""Seconds that are at least between two looks at all deadlines."""
_GOODBYE: Final = 1.0
"""Seconds that the server has to end the call after the last append was answered."""

_ONE: Final = "/mink.v1.EventStore/AppendToStream"
_SEVERAL: Final = "/mink.v1.EventStore/AppendToStreams"
_TRACEPARENT: Final = "traceparent"

_APPENDS_TAG: Final = bytes([event_store_pb2.AppendSessionRequest.APPENDS_FIELD_NUMBER << 3 | 2])


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_VARINTS: Final = tuple(_varint(number) for number in range(1024))


@lru_cache(4096)
def _timeout_field(tenths: int) -> bytes:
    """The field `timeout` of a SessionAppend, as bytes to put behind the others: the time left, rounded up."""
    message = event_store_pb2.SessionAppend()
    message.timeout.FromMilliseconds(max(tenths, 1) * 100)
    return message.SerializeToString()


class _Append:
    """One append, from its caller to its result."""

    __slots__ = ("attempts", "body", "deadline", "error", "future", "number")

    def __init__(self, number: int, body: bytes, future: asyncio.Future[Any], deadline: float) -> None:
        self.number = number
        self.body = body  # a SessionAppend without its timeout
        self.future = future
        self.deadline = deadline
        self.attempts = 0
        self.error: MinkError | None = None  # of the last attempt


def write_events(
    events: Sequence[NewEvent],
    message: event_store_pb2.AppendToStreamRequest | event_store_pb2.StreamAppend,
    trace: Mapping[str, str] | None = None,
    where: str = "events",
) -> None:
    """Puts events into a request.

    Args:
        events: The events.
        message: The request.
        trace: Metadata that says which trace the append belongs to, for the events that do not say it themselves.
        where: What the caller calls the events, for an error.

    Raises:
        TypeError: Something in an event has the wrong type.
        ValueError: A text cannot be written as UTF-8.
    """
    add = message.events.add
    number, event = -1, None
    try:
        for number, event in enumerate(events):  # noqa: B007 - what failed is named below
            data = event.data
            if isinstance(data, str):
                written = add(id=event.id, type=event.type, json=data)
            else:
                written = add(id=event.id, type=event.type, binary=data)
            if event.metadata:
                written.metadata.update(event.metadata)
            if trace and _TRACEPARENT not in event.metadata:
                written.metadata.update(trace)
    except REFUSED as error:
        if not hasattr(events, "__iter__"):
            raise TypeError(f"{where}: a list of NewEvent, not {type(events).__name__}") from None
        raise wrong_event(f"{where}[{number}]", event) or error from None


class Appender:
    """Sends appends over one AppendSession, and opens another one when it breaks.

    Callers put their appends into a queue. One task writes everything that has gathered since its last write as one message,
    so the messages grow with the load, and a lone caller never waits for company. Another one reads results and wakes callers.
    One timer watches over all deadlines.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        # What serves all callers runs in no caller's context: its trace would be everybody's.
        self._context = contextvars.Context()
        self._numbers = itertools.count(1)
        self._queue: deque[_Append] = deque()
        self._in_flight: dict[int, _Append] = {}
        self._delayed: list[tuple[float, int, _Append]] = []  # a heap: when to send again, number, append
        self._wake: asyncio.Future[None] | None = None  # what the task that sends waits for
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._task: asyncio.Task[None] | None = None
        self._down: MinkError | None = None  # why there is no session; None while results come
        self._waits = Backoff()
        self._closing = False
        self._open = connection.append_session

    # What callers do.

    # The first two are no coroutines themselves: without a trace, one frame less for each append.

    def append(
        self, stream: str, events: Sequence[NewEvent], expected: Expected, timeout: float
    ) -> Coroutine[Any, Any, AppendResult]:
        """Appends to one stream; see `Mink.append`."""
        traces = tracing()
        if traces is None or (span := traces.start(_ONE, self._connection.target)) is None:
            return self._append(stream, events, expected, timeout)
        return traces.traced(span, self._append(stream, events, expected, timeout, traces.for_events(span)))

    def append_many(self, appends: Sequence[StreamAppend], timeout: float) -> Coroutine[Any, Any, AppendManyResult]:
        """Appends to several streams; see `Mink.append_many`."""
        traces = tracing()
        if traces is None or (span := traces.start(_SEVERAL, self._connection.target)) is None:
            return self._append_many(appends, timeout)
        return traces.traced(span, self._append_many(appends, timeout, traces.for_events(span)))

    async def _append(
        self, stream: str, events: Sequence[NewEvent], expected: Expected, timeout: float, trace: Mapping[str, str] | None = None
    ) -> AppendResult:
        number = next(self._numbers)
        message = event_store_pb2.SessionAppend(request_id=number)
        to_stream = message.to_stream
        try:
            to_stream.stream = stream
        except REFUSED as error:
            raise wrong_text("stream", stream) or error from None
        write_expectation(to_stream, expected)
        write_events(events, to_stream, trace)
        body = message.SerializeToString()
        if len(body) > _MOST_BYTES:
            attempt = self._connection.append_to_stream
            return _one(await call(self._connection, lambda left: attempt(to_stream, left), timeout, size=len(body)))
        version, deadline = self._connection.credentials.version, self._loop.time() + timeout
        try:
            return cast("AppendResult", await self._enqueue(number, body, deadline))
        except Unauthenticated as error:
            return cast("AppendResult", await self._again(number, body, deadline, version, error))

    async def _append_many(
        self, appends: Sequence[StreamAppend], timeout: float, trace: Mapping[str, str] | None = None
    ) -> AppendManyResult:
        number = next(self._numbers)
        message = event_store_pb2.SessionAppend(request_id=number)
        to_streams = message.to_streams
        to_streams.SetInParent()
        if not hasattr(appends, "__iter__"):
            raise TypeError(f"appends: a list of StreamAppend, not {type(appends).__name__}")
        for place, part in enumerate(appends):
            try:
                written = to_streams.appends.add(stream=part.stream)
                expected, events = part.expected, part.events
            except REFUSED as error:
                raise wrong_part(f"appends[{place}]", part) or error from None
            write_expectation(written, expected)
            write_events(events, written, trace, f"appends[{place}].events")
        body = message.SerializeToString()
        if len(body) > _MOST_BYTES:
            attempt = self._connection.append_to_streams
            return _several(await call(self._connection, lambda left: attempt(to_streams, left), timeout, size=len(body)))
        version, deadline = self._connection.credentials.version, self._loop.time() + timeout
        try:
            return cast("AppendManyResult", await self._enqueue(number, body, deadline))
        except Unauthenticated as error:
            return cast("AppendManyResult", await self._again(number, body, deadline, version, error))

    async def _again(self, number: int, body: bytes, deadline: float, version: int, error: Unauthenticated) -> Any:
        """Sends what was refused with another token, if there is one; the task that sends opens another session for it."""
        if not await self._connection.credentials.renew(version):
            raise error
        return await self._enqueue(number, body, deadline)

    def _enqueue(self, number: int, body: bytes, deadline: float) -> asyncio.Future[Any]:
        if self._closing:
            raise ClientClosed("the client is closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.append(_Append(number, body, future, deadline))
        if deadline < self._timer_at:
            self._set_timer(deadline)
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="mink-appends", context=contextvars.Context())
        elif self._wake is not None:
            self._wake_up()
        return future

    async def close(self, grace: float) -> None:
        """Refuses new appends, waits for those under way, and fails what is left after the grace.

        Args:
            grace: Seconds.
        """
        self._closing = True
        try:
            if self._task is not None:
                self._wake_up()
                await asyncio.wait({self._task}, timeout=grace)
        finally:
            self._fail_all(ClientClosed("the client was closed before the append was answered; whether it was made is unknown"))
            if self._timer is not None:
                self._timer.cancel()
            if self._task is not None and not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task})

    # The call: opened when there is something to send, and again when it breaks.

    async def _run(self) -> None:
        try:
            while await self._something_to_send():
                error = await self._session()
                if error is not None:
                    self._broken(error)
                    if is_transient(error):
                        await asyncio.sleep(self._waits.next(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not leave callers waiting
            self._closing = True
            self._fail_all(MinkError("CLIENT_BUG", f"the task that sends appends failed: {error!r}"))
            _log.exception("the task that sends appends failed")

    async def _session(self) -> MinkError | None:
        """Sends and receives over one call until it ends.

        Returns:
            Why it broke; None if it ended because this client is closing, or has other credentials.
        """
        version = self._connection.version
        session = self._open()
        sender = self._loop.create_task(self._send(session, version), name="mink-appends-sender")
        try:
            async for response in session:
                self._results(response)
        except grpc.aio.AioRpcError as cause:
            if cause.code() is grpc.StatusCode.INTERNAL and not cause.trailing_metadata():
                # Not the server's word, which has details: gRPC's own, for a write that broke off with the connection.
                return Unavailable("UNAVAILABLE", f"the connection to Mink at {self._connection.target} broke: {cause.details()}")
            return self._connection.error(cause)
        except asyncio.CancelledError:
            if sender.done() and not sender.cancelled() and sender.exception() is not None:
                raise cast("BaseException", sender.exception()) from None
            return self._connection.call_was_cut()
        finally:
            session.cancel()
            sender.cancel()
            await asyncio.wait({sender})
        if self._closing and self._is_empty():
            return None
        if self._connection.version != version:
            self._send_again()
            return None
        return Unavailable("UNAVAILABLE", f"Mink at {self._connection.target} ended the append session")

    async def _send(self, session: "grpc.aio.StreamStreamCall[bytes, event_store_pb2.AppendSessionResponse]", version: int) -> None:
        try:
            # A session that was opened with other credentials ends: what it has sent is answered, the rest takes the next one.
            while await self._something_to_send() and self._connection.version == version:
                if message := self._message():
                    await session.write(message)
            with suppress(Exception):  # gRPC's own, if the call has just broken: whoever reads from it learns why
                await session.done_writing()
            await asyncio.sleep(_GOODBYE)
            session.cancel()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the call is over; whoever reads from it learns why
        except Exception:
            session.cancel()  # otherwise somebody would wait for results of what was never sent
            raise

    async def _something_to_send(self) -> bool:
        """Waits until there is something to send; false if there never will be."""
        while not self._queue or len(self._in_flight) >= _MOST_IN_FLIGHT:
            if self._closing and self._is_empty():
                return False
            self._wake = self._loop.create_future()
            await self._wake
        return True

    def _wake_up(self) -> None:
        if self._wake is not None:
            if not self._wake.done():
                self._wake.set_result(None)
            self._wake = None

    def _message(self) -> bytes:
        """Everything that has gathered, within the bounds of one message."""
        parts: list[bytes] = []
        size = 0
        now = self._loop.time()
        queue, in_flight = self._queue, self._in_flight
        room = min(_MOST_APPENDS, _MOST_IN_FLIGHT - len(in_flight))
        while queue and room > 0:
            append = queue[0]
            if append.future.done():
                queue.popleft()
                continue
            size += len(append.body)
            if size > _MOST_BYTES and parts:
                break
            queue.popleft()
            room -= 1
            body = append.body
            timeout = _timeout_field(math.ceil((append.deadline - now) * 10))
            length = len(body) + len(timeout)
            in_flight[append.number] = append
            parts += (_APPENDS_TAG, _VARINTS[length] if length < 1024 else _varint(length), body, timeout)
        return b"".join(parts)

    # What becomes of them.

    def _results(self, response: event_store_pb2.AppendSessionResponse) -> None:
        self._down = None
        self._waits.reset()
        in_flight = self._in_flight
        for result in response.results:
            append = in_flight.pop(result.request_id, None)
            if append is None or append.future.done():
                continue  # its caller did not wait for it
            kind = result.WhichOneof("result")
            if kind == "to_stream":
                append.future.set_result(_one(result.to_stream))
            elif kind == "to_streams":
                append.future.set_result(_several(result.to_streams))
            else:
                self._failed(append, from_failure(result.failure))
        if self._wake is not None and (self._queue or self._closing):
            self._wake_up()

    def _failed(self, append: _Append, error: MinkError) -> None:
        """One append failed: it is sent again later, or its caller is told."""
        due = self._loop.time() + backoff(append.attempts, error)
        append.attempts += 1
        append.error = error
        if is_transient(error) and due < append.deadline:
            heapq.heappush(self._delayed, (due, append.number, append))
            if due < self._timer_at:
                self._set_timer(due)
        else:
            append.future.set_exception(error)

    def _broken(self, error: MinkError) -> None:
        """The call broke: what was in flight goes to the front of the queue, or fails with everything else."""
        self._down = error
        if not is_transient(error):
            self._fail_all(error)
            return
        for append in self._in_flight.values():
            append.attempts += 1
            append.error = error
        self._send_again()

    def _send_again(self) -> None:
        """Puts what was sent and not answered to the front of the queue."""
        unanswered = list(self._in_flight.values())
        self._in_flight.clear()
        self._queue.extendleft(reversed(unanswered))

    def _fail_all(self, error: MinkError) -> None:
        for append in self._all():
            if not append.future.done():
                append.future.set_exception(copy(error))
        self._queue.clear()
        self._in_flight.clear()
        self._delayed.clear()

    def _all(self) -> Iterator[_Append]:
        yield from self._in_flight.values()
        yield from self._queue
        for _, _, append in self._delayed:
            yield append

    def _is_empty(self) -> bool:
        return not (self._queue or self._in_flight or self._delayed)

    # Time.

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._tick, context=self._context)

    def _tick(self) -> None:
        """Fails what is over its time, and queues what is due to be sent again."""
        self._timer, self._timer_at = None, math.inf
        now = self._loop.time()
        over = [append for append in self._all() if append.deadline <= now or append.future.done()]
        for append in over:
            self._in_flight.pop(append.number, None)
            if not append.future.done():
                append.future.set_exception(self._why_late(append))
        if over:
            self._queue = deque(append for append in self._queue if not append.future.done())
            self._delayed = [entry for entry in self._delayed if not entry[2].future.done()]
            heapq.heapify(self._delayed)
        while self._delayed and self._delayed[0][0] <= now:
            self._queue.append(heapq.heappop(self._delayed)[2])
        if self._queue or self._closing:
            self._wake_up()
        soonest = min((append.deadline for append in self._all()), default=math.inf)
        if self._delayed:
            soonest = min(soonest, self._delayed[0][0])
        if soonest < math.inf:
            self._set_timer(max(soonest, now + _TICK))

    def _why_late(self, append: _Append) -> MinkError:
        error = self._down or append.error
        if error is not None:
            return copy(error)
        return DeadlineExceeded(f"no answer from Mink at {self._connection.target} in time; whether the append was made is unknown")


def _one(response: event_store_pb2.AppendToStreamResponse) -> AppendResult:
    return AppendResult(response.version, response.first_position, response.last_position, response.replayed)


def _several(response: event_store_pb2.AppendToStreamsResponse) -> AppendManyResult:
    return AppendManyResult(
        streams=tuple(StreamAppended(s.stream, s.version, s.first_position, s.last_position) for s in response.streams),
        first_position=response.first_position,
        last_position=response.last_position,
        replayed=response.replayed,
    )
