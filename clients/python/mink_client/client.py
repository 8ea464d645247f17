"""The client: what a program says to Mink."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from mink.v1 import event_store_pb2, operations_pb2, snapshots_pb2

from mink_client.address import checked_address
from mink_client.appends import Appender
from mink_client.arguments import request as make
from mink_client.channel import Connection
from mink_client.credentials import Credentials
from mink_client.errors import ClientClosed, MinkError
from mink_client.events import AppendManyResult, AppendResult, Direction, JsonValue, NewEvent, RecordedEvent, StreamAppend, to_json
from mink_client.expectation import Expected, write_expectation
from mink_client.operations import Diagnosis, Statistics, Verification, VerificationProgress, diagnosis, statistics, verify
from mink_client.projection_control import Projections
from mink_client.reading import LogReading, StreamReading, event_filter
from mink_client.retry import call, was_refused
from mink_client.security import TLS, Name, TokenSource, choose_tls, choose_token
from mink_client.snapshots import RawJson, Snapshot, SnapshotSaved
from mink_client.streams import Removed, StreamInfo, stream_info
from mink_client.subscription import Subscription

DEFAULT_SERVER: Final = "localhost:50051"
SERVER_VARIABLE: Final = "MINK_SERVER"
_CLOSING_GRACE: Final = 5.0
# Seconds for which a call that may take minutes is tried again.
_PATIENCE: Final = 10.0


class Mink:
    """A connection to a Mink server, for one event loop. Use it as `async with Mink(...) as mink`, and share it.

    Every method raises a `MinkError`; which one is said where it is not obvious. What every call can raise: `Unavailable` (with
    `DatabaseUnavailable` and `ShuttingDown`), `Overloaded`, `DeadlineExceeded`, `Unauthenticated`, `PermissionDenied`,
    `InvalidRequest`, `InternalError`, and `ClientClosed` if it is used outside of `async with`.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        timeout: float = 10.0,
        tls: TLS | bool | None = None,
        token: TokenSource | None = None,
        token_file: Name | None = None,
        insecure_token: bool = False,
    ) -> None:
        """Prepares a client. Nothing is connected before the first call.

        Args:
            server: The server's address, `host:port`, or one with a scheme of gRPC's, such as `dns:///host:port`. Not given: the
                variable `MINK_SERVER`, or `localhost:50051`.
            timeout: Seconds that a call may take, with its retries, unless the call says otherwise.
            tls: How to speak TLS: a `TLS`. True: with the files that `MINK_CA_FILE`, `MINK_CLIENT_CERT_FILE` and
                `MINK_CLIENT_KEY_FILE` name, and without `MINK_CA_FILE` with the authorities that this machine trusts. False: not at
                all. Not given: as `MINK_TLS` says; not at all if it says nothing and none of the three names a file.
            token: The token that says who the client is; or a function, which may be asynchronous, that fetches one: it is called
                when the client is entered, and when the server refuses the token. Not given: `MINK_TOKEN`.
            token_file: A file that holds the token, read again when it changes. Not given: `MINK_TOKEN_FILE`.
            insecure_token: Allow the token to go to another machine without TLS, where something else encrypts the way.

        Raises:
            CredentialsError: A file cannot be used, or the token would go to another machine in clear. It is a `ValueError`.
            ValueError: The timeout is not above zero, or the address has no port, or is a URL.
        """
        if not timeout > 0:
            raise ValueError(f"timeout: seconds above zero, not {timeout!r}")
        if server is not None and server != "":
            self.server: str = checked_address(server)
        else:
            self.server = checked_address(os.environ.get(SERVER_VARIABLE) or DEFAULT_SERVER, SERVER_VARIABLE)
        self.timeout = timeout
        chosen, chosen_file = choose_token(token, token_file)
        self._credentials = Credentials(self.server, choose_tls(tls), chosen, chosen_file, in_clear=insecure_token)
        self._connection: Connection | None = None
        self._appender: Appender | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        if self._closed or self._connection is not None:
            raise ClientClosed("a client can be entered once; make another one")
        await self._credentials.open()
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(self.server, self._credentials)
        self._appender = Appender(self._connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits up to five seconds for the appends under way, and disconnects. Every other call ends with `ClientClosed`."""
        self._closed = True
        appender, connection = self._appender, self._connection
        self._appender = self._connection = None
        if appender is None or connection is None:
            return
        try:
            await appender.close(_CLOSING_GRACE)
        finally:
            await connection.close()

    async def connect(self, *, timeout: float | None = None) -> None:
        """Connects now and not with the first call, and without waiting for a server that is away: for whoever wants to know.

        Args:
            timeout: Seconds; not given: the client's.

        Raises:
            Unavailable: Nobody answers at the address. `advice` says what to look at if TLS is the likely reason.
            DeadlineExceeded: It took longer.
        """
        await self._open().connect(self._seconds(timeout))

    # Append.

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: Expected, timeout: float | None = None
    ) -> AppendResult:
        """Appends events to one stream, all or none. They are committed and flushed when this returns.

        It is sent again by itself when the server is away or overloaded, which is safe: the events' ids say what is the same.

        Args:
            stream: The stream's name, 1 to 500 characters.
            events: The events, in order; at least one.
            expected: What is expected of the stream: the version that it has (0: it does not exist), `ANY`, `NO_STREAM` or
                `STREAM_EXISTS`.
            timeout: Seconds, with all retries; not given: the client's.

        Returns:
            Where the events are.

        Raises:
            WrongExpectedVersion: The stream is not as expected.
            EventIdConflict: The id of an event is already there, for another append.
            StreamDeleted: The stream has a tombstone.
            EventTooLarge: One event is larger than the server takes.
            RequestTooLarge: The events together are.
        """
        appender = self._appender
        if appender is None:
            raise self._not_open()
        return await appender.append(stream, events, expected, self.timeout if timeout is None else timeout)

    async def append_many(self, appends: Sequence[StreamAppend], *, timeout: float | None = None) -> AppendManyResult:
        """Appends events to several streams, all or none.

        Args:
            appends: One entry a stream, each with its own expectation. An entry without events is only checked. At least one
                has events.
            timeout: Seconds, with all retries; not given: the client's.

        Returns:
            Where the events are, with one entry for each entry given.

        Raises:
            WrongExpectedVersion: Streams are not as expected; `violations` names every one.
            EventIdConflict: The id of an event is already there, for another append.
            StreamDeleted: A stream has a tombstone.
            EventTooLarge: One event is larger than the server takes.
            RequestTooLarge: The events together are.
        """
        appender = self._appender
        if appender is None:
            raise self._not_open()
        return await appender.append_many(appends, self.timeout if timeout is None else timeout)

    # Read.

    def read_stream(
        self,
        stream: str,
        *,
        from_version: int = 0,
        backwards: bool = False,
        limit: int = 0,
        timeout: float | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        """The events of a stream, one by one.

        Args:
            stream: The stream's name.
            from_version: The version to begin with, included. 0: the oldest forwards, the newest backwards.
            backwards: Newest first.
            limit: How many events at most. 0: all.
            timeout: Seconds that the server may take for each batch, with all retries; not given: the client's.

        Raises:
            StreamNotFound: No event was ever appended to the stream. Raised by the iteration.
            StreamDeleted: The stream was deleted.
        """
        return self._stream_reading(stream, from_version, backwards, limit, timeout).events()

    def read_stream_batches(
        self,
        stream: str,
        *,
        from_version: int = 0,
        backwards: bool = False,
        limit: int = 0,
        timeout: float | None = None,
    ) -> AsyncIterator[list[RecordedEvent]]:
        """The same as `read_stream`, in lists of as many events as the server sends at once; none is empty."""
        return self._stream_reading(stream, from_version, backwards, limit, timeout).batches()

    def read_all(
        self,
        *,
        after: int = 0,
        before: int = 0,
        backwards: bool = False,
        limit: int = 0,
        streams: Sequence[str] = (),
        stream_prefixes: Sequence[str] = (),
        categories: Sequence[str] = (),
        types: Sequence[str] = (),
        timeout: float | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        """The log as it stands, one event by one; ends at the head that the log had when the reading began.

        An event passes if `streams`, `stream_prefixes` or `categories` chooses its stream (or all three are empty), and
        `types` its type (or is empty).

        Args:
            after: Forwards: only events after this position. 0: from the first.
            before: Backwards: only events before this position. 0: from the newest.
            backwards: Newest first.
            limit: How many events at most. 0: all.
            streams: Streams, by their whole name.
            stream_prefixes: Streams, by how their name begins.
            categories: Streams, by the part of their name before the first `-`.
            types: Event types.
            timeout: Seconds that the server may take for each batch, with all retries; not given: the client's.

        Raises:
            PositionAhead: `after` lies beyond the head. Raised by the iteration.
            ValueError: `after` was given backwards, or `before` forwards.
        """
        filter_ = event_filter(streams, stream_prefixes, categories, types)
        return self._log_reading(after, before, backwards=backwards, limit=limit, filter_=filter_, timeout=timeout).events()

    def read_all_batches(
        self,
        *,
        after: int = 0,
        before: int = 0,
        backwards: bool = False,
        limit: int = 0,
        streams: Sequence[str] = (),
        stream_prefixes: Sequence[str] = (),
        categories: Sequence[str] = (),
        types: Sequence[str] = (),
        timeout: float | None = None,
    ) -> AsyncIterator[list[RecordedEvent]]:
        """The same as `read_all`, in lists of as many events as the server sends at once; none is empty."""
        filter_ = event_filter(streams, stream_prefixes, categories, types)
        return self._log_reading(after, before, backwards=backwards, limit=limit, filter_=filter_, timeout=timeout).batches()

    async def load(self, stream: str, *, timeout: float | None = None) -> tuple[Snapshot | None, list[RecordedEvent]]:
        """The newest snapshot of a stream, and the events that follow it, in one call.

        Args:
            stream: The stream's name.
            timeout: Seconds that the server may take for each batch, with all retries; not given: the client's.

        Returns:
            The snapshot, or None if there is none; and the events after it, oldest first.

        Raises:
            StreamNotFound: No event was ever appended to the stream.
            StreamDeleted: The stream was deleted.
        """
        reading = self._stream_reading(stream, 0, False, 0, timeout)
        reading.since_snapshot = True
        events = await reading.everything()
        return reading.snapshot, events

    # Subscribe.

    def subscribe_all(
        self,
        *,
        after: int = 0,
        from_end: bool = False,
        streams: Sequence[str] = (),
        stream_prefixes: Sequence[str] = (),
        categories: Sequence[str] = (),
        types: Sequence[str] = (),
        log_id: str = "",
        timeout: float | None = None,
        silence_timeout: float = 15.0,
    ) -> Subscription:
        """Follows the log: everything after a position, then what is appended. Use it as `async with ... as events`.

        It catches up, goes on live, and carries on by itself after the last position seen when the connection breaks, the server
        stops, or nothing is heard of it. The filter is the same as that of `read_all`.

        Args:
            after: After this position. 0: from the first event.
            from_end: After the newest event that the log has now.
            streams: Streams, by their whole name.
            stream_prefixes: Streams, by how their name begins.
            categories: Streams, by the part of their name before the first `-`.
            types: Event types.
            log_id: The id of the log that `after` came from (`Subscription.log_id`); with it, a log that was replaced is noticed.
            timeout: Seconds that the first answer may take, with all retries; not given: the client's. A server that has once
                answered is waited for without end.
            silence_timeout: Seconds without any message after which the connection counts as broken. The server says something
                every few seconds.

        Raises:
            PositionAhead: `after` lies beyond the head, or belongs to another log. Raised by the iteration; final.
            ValueError: Both `after` and `from_end` were given.
        """
        if from_end and after:
            raise ValueError("after, from_end: one of the two")
        return Subscription(
            self._open(),
            after=after,
            from_end=from_end,
            filter=event_filter(streams, stream_prefixes, categories, types),
            log_id=log_id,
            timeout=self._seconds(timeout),
            silence_timeout=silence_timeout,
        )

    # Snapshots.

    async def save_snapshot(
        self,
        stream: str,
        *,
        version: int,
        state: JsonValue | bytes | RawJson,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> SnapshotSaved:
        """Saves a state, so that a load replays only what follows. A newer snapshot that is there is kept.

        Args:
            stream: The stream's name.
            version: The version of the last event that the state includes; 1 or more.
            state: Anything with a JSON form; or bytes, or a `RawJson`, which are kept as they are.
            metadata: What is known about the state beside itself, text by name.
            timeout: Seconds, with all retries; not given: the client's.

        Raises:
            InvalidRequest: The version is ahead of the stream.
            StreamNotFound: There is no such stream.
            RequestTooLarge: The state is larger than the server takes.
        """
        connection = self._open()
        request = make(snapshots_pb2.SaveSnapshotRequest, stream=stream, version=version, metadata=metadata or {})
        if isinstance(state, bytes | bytearray | memoryview):
            request.binary = bytes(state)
        else:
            request.json = state.text if isinstance(state, RawJson) else to_json(state)
        attempt = connection.snapshots.SaveSnapshot
        seconds = self._seconds(timeout)
        answer = await call(connection, lambda left: attempt(request, timeout=left), seconds, size=request.ByteSize())
        return SnapshotSaved(answer.saved, answer.version)

    async def load_snapshot(self, stream: str, *, timeout: float | None = None) -> Snapshot:
        """The newest snapshot of a stream.

        Raises:
            SnapshotNotFound: There is none.
        """
        connection = self._open()
        request = make(snapshots_pb2.LoadSnapshotRequest, stream=stream)
        attempt = connection.snapshots.LoadSnapshot
        answer = await call(connection, lambda left: attempt(request, timeout=left), self._seconds(timeout))
        return Snapshot(answer.snapshot)

    async def delete_snapshot(self, stream: str, *, timeout: float | None = None) -> int:
        """Deletes the snapshot of a stream.

        Returns:
            The version of the snapshot that was deleted.

        Raises:
            SnapshotNotFound: There is none.
        """
        connection = self._open()
        request = make(snapshots_pb2.DeleteSnapshotRequest, stream=stream)
        attempt = connection.snapshots.DeleteSnapshot
        # Not sent again when its outcome is unknown: the second answer would be that there is nothing to delete.
        answer = await call(connection, lambda left: attempt(request, timeout=left), self._seconds(timeout), may_retry=was_refused)
        return answer.version

    # Streams.

    async def get_stream(self, stream: str, *, timeout: float | None = None) -> StreamInfo:
        """What is known about a stream.

        Raises:
            StreamNotFound: No event was ever appended to the stream.
            StreamDeleted: The stream was deleted.
        """
        connection = self._open()
        request = make(event_store_pb2.GetStreamRequest, stream=stream)
        attempt = connection.event_store.GetStream
        answer = await call(connection, lambda left: attempt(request, timeout=left), self._seconds(timeout))
        return stream_info(answer.stream)

    async def list_streams(
        self, prefix: str = "", *, include_deleted: bool = False, page_size: int = 0, timeout: float | None = None
    ) -> AsyncIterator[StreamInfo]:
        """The streams in the order of their names; the next page is asked for when it is needed.

        Args:
            prefix: Only streams whose name begins so.
            include_deleted: Also the deleted ones.
            page_size: How many streams the server sends at once, at most 1000. 0: 100.
            timeout: Seconds that a page may take, with all retries; not given: the client's.
        """
        request = make(event_store_pb2.ListStreamsRequest, prefix=prefix, include_deleted=include_deleted, page_size=page_size)
        while True:
            connection = self._open()
            attempt = connection.event_store.ListStreams
            page = await call(connection, lambda left: attempt(request, timeout=left), self._seconds(timeout))  # noqa: B023
            for stream in page.streams:
                yield stream_info(stream)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def truncate_stream(self, stream: str, *, before_version: int, timeout: float | None = None) -> Removed:
        """Removes the events of a stream before a version, for good.

        Args:
            stream: The stream's name.
            before_version: The first version to keep: 1 to the stream's version + 1.
            timeout: Seconds, with all retries; not given: the client's.

        Returns:
            How many events were removed, and the stream's version, which does not change.

        Raises:
            StreamNotFound: No event was ever appended to the stream.
            StreamDeleted: The stream was deleted.
        """
        connection = self._open()
        request = make(event_store_pb2.TruncateStreamRequest, stream=stream, before_version=before_version)
        attempt = connection.event_store.TruncateStream
        # Not sent again when its outcome is unknown: the second answer would be that nothing was removed.
        answer = await call(connection, lambda left: attempt(request, timeout=left), self._seconds(timeout), may_retry=was_refused)
        return Removed(answer.removed, answer.version)

    async def delete_stream(
        self,
        stream: str,
        *,
        expected: Expected,
        tombstone: bool = False,
        timeout: float | None = None,
    ) -> Removed:
        """Removes all events of a stream and its snapshot, for good.

        Args:
            stream: The stream's name.
            expected: The version that the stream has, `ANY` or `STREAM_EXISTS`.
            tombstone: Leave a tombstone: nothing can be appended under this name ever again.
            timeout: Seconds, with all retries; not given: the client's.

        Returns:
            How many events were removed, and the version that the stream had.

        Raises:
            WrongExpectedVersion: The stream is not as expected.
            StreamNotFound: No event was ever appended to the stream.
            StreamDeleted: The stream was deleted before.
        """
        connection = self._open()
        request = make(event_store_pb2.DeleteStreamRequest, stream=stream, tombstone=tombstone)
        write_expectation(request, expected)
        attempt = connection.event_store.DeleteStream
        # Not sent again when its outcome is unknown: the second answer would be that there is nothing to delete.
        answer = await call(connection, lambda left: attempt(request, timeout=left), self._seconds(timeout), may_retry=was_refused)
        return Removed(answer.removed, answer.version)

    # Projections.

    @property
    def projections(self) -> Projections:
        """The projections of the log: what an operator does with them."""
        return Projections(self._open, self.timeout)

    # Operate.

    async def statistics(self, *, top_types: int = 10, timeout: float | None = None) -> Statistics:
        """The log's size and what is in it. Counts every event: on a large log this takes a while.

        Args:
            top_types: How many of the most frequent event types to name, at most 1000.
            timeout: Seconds, with all retries; not given: the client's.
        """
        connection = self._open()
        request = make(operations_pb2.GetStatisticsRequest, top_types=top_types)
        attempt = connection.operations.GetStatistics
        seconds = self._seconds(timeout)
        # Counting may take minutes; a server that cannot is not asked again for as long.
        return statistics(await call(connection, lambda left: attempt(request, timeout=left), seconds, patience=_PATIENCE))

    async def diagnose(self, *, timeout: float | None = None) -> Diagnosis:
        """What the server finds when it checks what it depends on."""
        connection = self._open()
        attempt = connection.operations.Diagnose
        request = operations_pb2.DiagnoseRequest()
        return diagnosis(await call(connection, lambda left: attempt(request, timeout=left), self._seconds(timeout)))

    async def verify(
        self, *, progress: Callable[[VerificationProgress], None] | None = None, timeout: float | None = None
    ) -> Verification:
        """Has the server read the whole log and prove that nothing is missing or bent, up to the first fault.

        It is begun anew by itself if the server goes away meanwhile.

        Args:
            progress: Told about every second how far it is.
            timeout: Seconds without a word from the server after which it is given up, with all retries; not given: the client's.

        Raises:
            Overloaded: The server is verifying the log already. One verification is made at a time.
        """
        return await verify(self._open(), self._seconds(timeout), progress)

    # Helpers.

    def _open(self) -> Connection:
        if self._connection is None:
            raise self._not_open()
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("this client belongs to another event loop; make one for each")
        return self._connection

    def _not_open(self) -> MinkError:
        if self._closed:
            return ClientClosed("the client is closed")
        return ClientClosed("the client is not open yet: use `async with Mink(...) as mink`")

    def _seconds(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout

    def _stream_reading(self, stream: str, from_version: int, backwards: bool, limit: int, timeout: float | None) -> StreamReading:
        direction = Direction.BACKWARDS if backwards else Direction.FORWARDS
        return StreamReading(self._open(), stream, from_version, direction, limit, self._seconds(timeout))

    def _log_reading(
        self, after: int, before: int, *, backwards: bool, limit: int, filter_: event_store_pb2.EventFilter, timeout: float | None
    ) -> LogReading:
        if after and backwards:
            raise ValueError("after: goes with reading forwards; backwards, use `before`")
        if before and not backwards:
            raise ValueError("before: goes with reading backwards; forwards, use `after`")
        direction = Direction.BACKWARDS if backwards else Direction.FORWARDS
        return LogReading(self._open(), before if backwards else after, direction, limit, filter_, self._seconds(timeout))
