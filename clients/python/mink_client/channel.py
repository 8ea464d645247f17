"""The connection to a server: a gRPC channel, its options, and what is called over it."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import grpc
from mink.v1.event_store_pb2 import (
    AppendSessionResponse,
    AppendToStreamRequest,
    AppendToStreamResponse,
    AppendToStreamsRequest,
    AppendToStreamsResponse,
)
from mink.v1.event_store_pb2_grpc import EventStoreStub
from mink.v1.operations_pb2_grpc import OperationsStub
from mink.v1.projections_pb2_grpc import ProjectionsStub
from mink.v1.snapshots_pb2_grpc import SnapshotsStub

from mink_client.credentials import Credentials
from mink_client.errors import ClientClosed, DeadlineExceeded, MinkError, Unavailable, from_rpc
from mink_client.tracing import Metadata, TracedStream, Tracing, tracing

if TYPE_CHECKING:
    from grpc.aio import StreamStreamCall
    from mink.v1.event_store_pb2_grpc import EventStoreAsyncStub
    from mink.v1.operations_pb2_grpc import OperationsAsyncStub
    from mink.v1.projections_pb2_grpc import ProjectionsAsyncStub
    from mink.v1.snapshots_pb2_grpc import SnapshotsAsyncStub
    from opentelemetry.trace import Span

Q = TypeVar("Q", AppendToStreamRequest, AppendToStreamsRequest)
R = TypeVar("R", AppendToStreamResponse, AppendToStreamsResponse)


def _version() -> str:
    try:
        return metadata.version("mink-client")
    except metadata.PackageNotFoundError:
        return "0"


OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    ("grpc.primary_user_agent", f"mink-client-python/{_version()}"),
    # A peer that went away without a word is noticed within 40 seconds, also when no call is open.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # what counts in newer gRPC; it is a minute otherwise
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A server that comes back is found again at once. The "minimum" is how long one attempt to connect may take.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # Each client has a connection of its own, and no other client's backoff.
    ("grpc.use_local_subchannel_pool", 1),
)


_ENDLESS: Final = frozenset({"/mink.v1.EventStore/SubscribeAll", "/mink.v1.Projections/WatchProjections"})
"""Calls that last as long as the program: a span that never ends tells nothing."""
_ASKING: Final = 2.0
"""Seconds for asking why there is no connection."""
_ADVICE_LASTS: Final = 10.0
"""Seconds in which what one address of the server said holds for the others."""
_OLD_CHANNEL_GRACE: Final = 600.0
"""Seconds that calls may go on over a connection that was made with certificates that have been renewed since."""


class Connection:
    """A channel and the stubs over it. Belongs to the event loop that runs when it is made.

    When certificates are renewed, calls that begin go over a new channel. Calls that are open stay on the old one for at
    most ten minutes.

    Attributes:
        target: The server's address, `host:port`.
        credentials: The token that goes with each call, and TLS.
        event_store: Appends, reads and subscriptions.
        snapshots: Snapshots.
        operations: What an operator asks.
        projections: Projections: running and controlling them.
        append_session: Opens the call that all appends share. Its requests are bytes.
        append_to_stream, append_to_streams: Large appends, which go alone. They make no span: the append has one already.
    """

    def __init__(self, target: str, credentials: Credentials) -> None:
        self.target = target
        self.credentials = credentials
        self._closed = False
        self._advised: str | None = None
        self._advised_until = 0.0
        self._retiring: set[asyncio.Task[None]] = set()
        self._channel = credentials.channel(target, OPTIONS)
        self._tls_version = credentials.tls_version
        calls = _Calls(self)
        channel = cast("grpc.aio.Channel", calls)
        self.event_store = cast("EventStoreAsyncStub", EventStoreStub(channel))
        self.snapshots = cast("SnapshotsAsyncStub", SnapshotsStub(channel))
        self.operations = cast("OperationsAsyncStub", OperationsStub(channel))
        self.projections = cast("ProjectionsAsyncStub", ProjectionsStub(channel))
        self.append_to_stream = calls.unspanned("AppendToStream", AppendToStreamRequest, AppendToStreamResponse)
        self.append_to_streams = calls.unspanned("AppendToStreams", AppendToStreamsRequest, AppendToStreamsResponse)
        self.append_session: Callable[[], StreamStreamCall[bytes, AppendSessionResponse]] = calls.stream_stream(
            "/mink.v1.EventStore/AppendSession",
            request_serializer=None,
            response_deserializer=AppendSessionResponse.FromString,
        )

    @property
    def version(self) -> int:
        """The version of the credentials with which a call would begin now."""
        self.credentials.look()
        return self.credentials.version

    def channel(self) -> grpc.aio.Channel:
        """The channel for a call that begins now."""
        credentials = self.credentials
        credentials.look()
        if credentials.tls_version != self._tls_version and not self._closed:
            self._tls_version = credentials.tls_version
            self._replace()
        return self._channel

    def abandon(self, channel: grpc.aio.Channel) -> None:
        """Has calls that begin from now on go over a new channel, because the other end of this one does not answer any more.

        Args:
            channel: The channel; if it is not the present one, nothing happens.
        """
        if channel is self._channel and not self._closed:
            self._replace()

    def _replace(self) -> None:
        old, self._channel = self._channel, self.credentials.channel(self.target, OPTIONS)
        task = asyncio.create_task(_retire(old), name="mink-old-channel")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def connect(self, timeout: float) -> None:
        """Connects, unless it is connected, and does not wait for a server that is away.

        Raises:
            Unavailable: Nobody answers at the address, or not as a Mink.
            DeadlineExceeded: It took longer than the timeout.
        """
        self.check_open()
        channel = self.channel()
        try:
            async with asyncio.timeout(timeout):
                while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and (why := await self._failure(channel)):
                        raise why
                    await channel.wait_for_state_change(state)
        except TimeoutError:
            raise DeadlineExceeded(f"no connection to Mink at {self.target} within {timeout:g} s") from None

    async def _failure(self, channel: grpc.aio.Channel) -> MinkError | None:
        """Why there is no connection; None if there is one now. Only a call is told: any call, and it fails at once."""
        error = await self._asked(channel)
        if isinstance(error, Unavailable) and error.advice is None:
            # One of several addresses may be the one that matters.
            for address in await self._addresses():
                async with self.credentials.channel(address, OPTIONS, self.target) as alone:
                    found = await self._asked(alone)
                if isinstance(found, Unavailable) and found.advice:
                    return found
        return error

    async def _asked(self, channel: grpc.aio.Channel) -> MinkError | None:
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            await ask(b"", timeout=_ASKING)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return self.error(error)
        return None

    async def _addresses(self) -> list[str]:
        """The addresses of the server, as gRPC writes them; none if there is only one, or the target is no name."""
        host, _, port = self.target.rpartition(":")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return []
        kinds = {socket.AF_INET: "ipv4:{}:{}", socket.AF_INET6: "ipv6:[{}]:{}"}
        names = {kinds[family].format(*address[:2]) for family, _, _, _, address in found if family in kinds}
        return sorted(names) if len(names) > 1 else []

    def error(self, error: grpc.aio.AioRpcError) -> MinkError:
        """What a failed call means."""
        now = time.monotonic()
        advised = self._advised if now < self._advised_until else None
        found = from_rpc(error, self.target, tls=self.credentials.tls is not None, advised=advised)
        if isinstance(found, Unavailable) and found.advice and found.advice != advised:
            self._advised, self._advised_until = found.advice, now + _ADVICE_LASTS
        return found

    def check_open(self) -> None:
        """To be asked before each call: gRPC's own answer is not for users.

        Raises:
            ClientClosed: The connection was closed.
        """
        if self._closed:
            raise ClientClosed("the client is closed")

    def call_was_cut(self) -> MinkError:
        """What a `CancelledError` that comes from gRPC means.

        gRPC raises it where a call was cancelled under its reader: the client was closed, or the call stayed too long on a
        channel whose certificates were renewed. If the reader's own task is being cancelled, that goes on as it is.

        Raises:
            asyncio.CancelledError: The running task is being cancelled.
        """
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        if self._closed:
            return ClientClosed("the client was closed while the call was under way")
        return Unavailable("UNAVAILABLE", f"the connection to Mink at {self.target} was made anew, with renewed certificates")

    async def close(self) -> None:
        """Ends every call and the connection."""
        self._closed = True
        retiring = list(self._retiring)
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)
        await self._channel.close()


async def _retire(channel: grpc.aio.Channel) -> None:
    try:
        await channel.close(_OLD_CHANNEL_GRACE)
    finally:
        await channel.close()


class _Calls:
    """Stands where the stubs expect a channel: each call goes over the present one, with the token and the trace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def unary_unary(self, path: str, **codecs: Any) -> Callable[..., Any]:
        return _Call(self._connection, path, "unary_unary", codecs).unary

    def unspanned(self, method: str, request: type[Q], response: type[R]) -> Callable[[Q, float], Awaitable[R]]:
        """A call within a span that its caller has begun."""
        codecs = {"request_serializer": request.SerializeToString, "response_deserializer": response.FromString}
        return _Call(self._connection, f"/mink.v1.EventStore/{method}", "unary_unary", codecs).within

    def unary_stream(self, path: str, **codecs: Any) -> Callable[..., Any]:
        return _Call(self._connection, path, "unary_stream", codecs).stream

    def stream_stream(self, path: str, **codecs: Any) -> Callable[..., Any]:
        """A call that many share: it carries nobody's trace."""
        return _Call(self._connection, path, "stream_stream", codecs).session


class _Call:
    """One method of a service, bound to the channel over which it was called last."""

    __slots__ = ("_bound", "_channel", "_codecs", "_connection", "_kind", "_path")

    def __init__(self, connection: Connection, path: str, kind: str, codecs: dict[str, Any]) -> None:
        self._connection = connection
        self._path = path
        self._kind = kind
        self._codecs = codecs
        self._channel: grpc.aio.Channel | None = None
        self._bound: Any = None

    def _begin(self) -> Any:
        channel = self._connection.channel()
        if channel is not self._channel:
            self._channel, self._bound = channel, getattr(channel, self._kind)(self._path, **self._codecs)
        return self._bound

    def unary(self, request: Any, *, timeout: float | None = None) -> Any:
        traces = tracing()
        span = traces.start(self._path, self._connection.target) if traces else None
        if traces and span:
            return self._traced(request, timeout, traces, span)
        return self._begin()(request, timeout=timeout, metadata=self._metadata(traces))

    def within(self, request: Any, timeout: float) -> Any:
        return self._begin()(request, timeout=timeout, metadata=self._metadata(tracing()))

    async def _traced(self, request: Any, timeout: float | None, traces: Tracing, span: "Span") -> Any:
        with traces.during(span):
            return await self._begin()(request, timeout=timeout, metadata=self._metadata(traces))

    def stream(self, request: Any, *, timeout: float | None = None) -> Any:
        traces = tracing()
        span = traces.start(self._path, self._connection.target) if traces and self._path not in _ENDLESS else None
        begin = partial(self._begin(), request, timeout=timeout)
        if traces and span:
            with traces.current(span):
                return TracedStream(traces, span, begin(metadata=self._metadata(traces)))
        return begin(metadata=self._metadata(traces))

    def session(self) -> Any:
        return self._begin()(metadata=self._metadata(None))

    def _metadata(self, traces: Tracing | None) -> Metadata | None:
        metadata = self._connection.credentials.metadata
        return traces.carry(metadata) if traces else metadata
