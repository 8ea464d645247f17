"""The EventStore service: check, call the core, convert."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from mink.v1 import event_store_pb2 as pb

from mink_server.core import limits
from mink_server.core.appending import append
from mink_server.core.errors import PositionAheadError
from mink_server.core.expectations import NO_STREAM
from mink_server.rpc import appends, checks, convert
from mink_server.rpc.append_session import AppendSession
from mink_server.rpc.checks import Problems
from mink_server.rpc.lifetime import Lifetime
from mink_server.rpc.subscription import Subscription
from mink_server.wire import block, number

if TYPE_CHECKING:
    import grpc

    from mink_server.core.limits import Limits
    from mink_server.core.log import Log
    from mink_server.core.reading import Head
    from mink_server.rpc.admission import Admission
    from mink_server.rpc.drain import Drain
    from mink_server.rpc.waiting import Waiting

    Context = grpc.aio.ServicerContext[Any, Any]

_DEFAULT_PAGE: Final = 100
_DELETION_CHOICES: Final = "say what you expect: exact_version, or state ANY or STREAM_EXISTS"
_LARGE_SNAPSHOT: Final = 1024 * 1024
# How many times a page is in memory while it is sent: as it was read, as it is sent, with gRPC, and the next one.
_WEIGHT: Final = 4


class EventStore:
    """Serves one log.

    Args:
        log: The log.
        bounds: What an append may hold.
        drain: Says when the server is about to stop.
        admission: Counts what clients have under way.
        waiting: Sends messages.
        checkpoint_seconds: The longest silence of a subscription.
        age: Seconds after which a session or subscription begins anew; 0: never.
    """

    def __init__(
        self,
        log: Log,
        bounds: Limits,
        drain: Drain,
        admission: Admission,
        waiting: Waiting,
        *,
        checkpoint_seconds: float,
        age: float,
    ) -> None:
        self._log = log
        self._bounds = bounds
        self._drain = drain
        self._checkpoint_seconds = checkpoint_seconds
        self._admission = admission
        self._waiting = waiting
        self._age = age

    async def AppendToStream(self, request: pb.AppendToStreamRequest, context: Context) -> pb.AppendToStreamResponse:  # noqa: N802
        """See the proto."""
        writes = appends.to_stream(request, self._bounds)
        return appends.appended_to_stream(await append(self._log.writes, writes, context.time_remaining()))

    async def AppendToStreams(self, request: pb.AppendToStreamsRequest, context: Context) -> pb.AppendToStreamsResponse:  # noqa: N802
        """See the proto."""
        writes = appends.to_streams(request, self._bounds)
        return appends.appended_to_streams(writes, await append(self._log.writes, writes, context.time_remaining()))

    async def AppendSession(self, _requests: object, context: Context) -> None:  # noqa: N802
        """See the proto."""
        lifetime = Lifetime(self._drain, self._age)
        await AppendSession(self._log.writes, self._bounds, lifetime, self._admission, self._waiting, context).run()

    async def ReadStream(self, request: pb.ReadStreamRequest, context: Context) -> None:  # noqa: N802
        """See the proto."""
        problems = Problems()
        checks.check_name(problems, "stream", request.stream, limits.MAX_STREAM_NAME)
        from_version = checks.count(problems, "from_version", request.from_version)
        limit = checks.count(problems, "limit", request.limit)
        backwards = convert.backwards(request, problems)
        if request.since_snapshot and (from_version or backwards):
            problems.add("since_snapshot", "goes with neither from_version nor BACKWARDS")
        problems.check()
        pages = self._log.reads.read_stream(
            request.stream, from_version=from_version, limit=limit, backwards=backwards, since_snapshot=request.since_snapshot
        )
        async for page in pages:
            snapshot = b"" if page.snapshot is None else block(b"\x12", convert.snapshot_message(page.snapshot).SerializeToString())
            version = number(b"\x18", page.version)
            if len(snapshot) > _LARGE_SNAPSHOT:  # with events in the same message it might be larger than clients take
                await self._waiting.send(context, snapshot + version, _WEIGHT)
                snapshot = b""
            await self._waiting.send(context, b"".join((page.frames, snapshot, version)), _WEIGHT)

    async def ReadAll(self, request: pb.ReadAllRequest, context: Context) -> None:  # noqa: N802
        """See the proto."""
        problems = Problems()
        after = checks.count(problems, "after_position", request.after_position)
        before = checks.count(problems, "before_position", request.before_position)
        limit = checks.count(problems, "limit", request.limit)
        backwards = convert.backwards(request, problems)
        if after and backwards:
            problems.add("after_position", "goes with FORWARDS; backwards, say before_position")
        if before and not backwards:
            problems.add("before_position", "goes with BACKWARDS; forwards, say after_position")
        where = convert.event_filter(request, problems)
        problems.check()
        head = await self._log.reads.head()
        asked = before - 1 if before else after
        if asked > head.position:
            raise PositionAheadError(before or after, head.position, head.log_id)
        if backwards:
            pages = self._log.reads.read_all_backwards(before=before or head.position + 1, limit=limit, where=where)
        else:
            pages = self._log.reads.read_all(after=after, upto=head.position, limit=limit, where=where)
        end = number(b"\x18", head.position)
        answered = False
        async for page in pages:
            answered = True
            await self._waiting.send(context, b"".join((page.frames, number(b"\x10", page.position), end)), _WEIGHT)
        if not answered:
            await self._waiting.send(context, number(b"\x10", asked) + end, _WEIGHT)

    async def SubscribeAll(self, request: pb.SubscribeAllRequest, context: Context) -> None:  # noqa: N802
        """See the proto."""
        problems = Problems()
        from_end = request.WhichOneof("start") == "from_end"
        if from_end and not request.from_end:
            problems.add("from_end", "must be true, or not set")
        after = checks.count(problems, "after_position", request.after_position)
        where = convert.event_filter(request, problems)
        problems.check()
        client = self._admission.subscribe()
        try:
            head = await self._head_for_subscription()
            if after > head.position or (request.log_id and request.log_id != head.log_id):
                raise PositionAheadError(after, head.position, head.log_id)
            position = head.position if from_end else after
            await self._log.tail.reach(position)
            lifetime = Lifetime(self._drain, self._age)
            await Subscription(self._log, lifetime, self._waiting, context, position, where, self._checkpoint_seconds).run()
        finally:
            self._admission.unsubscribe(client)

    async def _head_for_subscription(self) -> Head:
        """The head in the database: another server may have committed what this one's tail has not heard of yet."""
        known = self._log.tail.head
        head = await self._log.reads.head()
        self._log.tail.compare(head, known)
        return head

    async def GetStream(self, request: pb.GetStreamRequest, _context: Context) -> pb.GetStreamResponse:  # noqa: N802
        """See the proto."""
        return pb.GetStreamResponse(stream=convert.stream_message(await self._log.streams.get(checks.stream_name(request))))

    async def ListStreams(self, request: pb.ListStreamsRequest, _context: Context) -> pb.ListStreamsResponse:  # noqa: N802
        """See the proto."""
        problems = Problems()
        if request.prefix:
            checks.check_name(problems, "prefix", request.prefix, limits.MAX_STREAM_NAME)
        size = checks.count(problems, "page_size", request.page_size, limits.MAX_PAGE_SIZE) or _DEFAULT_PAGE
        after = ""
        try:
            after = base64.b64decode(request.page_token, altchars=b"-_", validate=True).decode()
        except ValueError:
            problems.add("page_token", "must be one that a page before gave")
        if after:
            checks.check_name(problems, "page_token", after, limits.MAX_STREAM_NAME)
        problems.check()
        found = await self._log.streams.list(
            prefix=request.prefix, after=after, limit=size + 1, include_deleted=request.include_deleted
        )
        token = base64.urlsafe_b64encode(found[size - 1].stream.encode()).decode() if len(found) > size else ""
        return pb.ListStreamsResponse(streams=map(convert.stream_message, found[:size]), next_page_token=token)

    async def TruncateStream(self, request: pb.TruncateStreamRequest, _context: Context) -> pb.TruncateStreamResponse:  # noqa: N802
        """See the proto."""
        problems = Problems()
        checks.check_name(problems, "stream", request.stream, limits.MAX_STREAM_NAME)
        if request.before_version < 1:
            problems.add("before_version", "must be 1 or more")
        problems.check()
        removal = await self._log.streams.truncate(request.stream, request.before_version)
        return pb.TruncateStreamResponse(removed=removal.removed, version=removal.version)

    async def DeleteStream(self, request: pb.DeleteStreamRequest, _context: Context) -> pb.DeleteStreamResponse:  # noqa: N802
        """See the proto."""
        problems = Problems()
        checks.check_name(problems, "stream", request.stream, limits.MAX_STREAM_NAME)
        expected = checks.expectation(request, problems, choices=_DELETION_CHOICES)
        if expected in (NO_STREAM, 0) and not problems.violations:
            problems.add("expectation", "a stream that is not there cannot be deleted; " + _DELETION_CHOICES)
        problems.check()
        removal = await self._log.streams.delete(request.stream, expected, tombstone=request.tombstone)
        return pb.DeleteStreamResponse(removed=removal.removed, version=removal.version)
