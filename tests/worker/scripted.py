"""A server that speaks the Run protocol over a real socket, and does what a test tells it: also what no server should do."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import grpc
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import event_pb2, projections_pb2
from mink.v1.projections_pb2 import (
    CLEAR,
    HANDLE_EVENTS,
    SWITCH,
    Assigned,
    Events,
    LeaseKey,
    Parked,
    Progress,
    Replay,
    Revoked,
    RunResponse,
    ServerHeartbeat,
    Welcome,
)
from mink.v1.projections_pb2_grpc import ProjectionsServicer, add_ProjectionsServicer_to_server

__all__ = ["CLEAR", "HANDLE_EVENTS", "LOG", "SWITCH", "Scripted", "Session", "event"]

LOG = "6f1c6a52-5f5c-4b5e-9d3c-5d3a0b8a7f10"
PATIENCE = 20.0
CODES = {
    "SHUTTING_DOWN": grpc.StatusCode.UNAVAILABLE,
    "DATABASE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "INVALID_REQUEST": grpc.StatusCode.INVALID_ARGUMENT,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "INTERNAL": grpc.StatusCode.INTERNAL,
}


def event(position: int, *, stream: str = "Order-1", json: str = "{}") -> event_pb2.RecordedEvent:
    return event_pb2.RecordedEvent(
        position=position, version=position, id=f"id-{position}", stream=stream, type="OrderPlaced", json=json
    )


class Session:
    """One Run call, from the server's side."""

    def __init__(self, server: Scripted, context: grpc.aio.ServicerContext) -> None:
        self.server = server
        self.metadata = dict(context.invocation_metadata())
        self.received: list[projections_pb2.RunRequest] = []
        self.heartbeats = 0
        self.half_closed = False
        self.ended = asyncio.Event()
        self.beating = True
        self._outgoing: asyncio.Queue[RunResponse | tuple[str, tuple] | None] = asyncio.Queue()
        self._news = asyncio.Condition()
        self._seen = 0

    # What the worker says.

    async def came(self, request: projections_pb2.RunRequest) -> None:
        async with self._news:
            if request.HasField("heartbeat"):
                self.heartbeats += 1
            else:
                self.received.append(request)
            self._news.notify_all()

    async def until(self, condition, timeout: float = PATIENCE) -> None:
        """Waits until the condition holds; looked at whenever the worker says something."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(condition)

    async def next(self, kind: str, timeout: float = PATIENCE):
        """The next message, which must be of this kind."""
        await self.until(lambda: len(self.received) > self._seen, timeout)
        message = self.received[self._seen]
        self._seen += 1
        assert message.WhichOneof("message") == kind, message
        return getattr(message, kind)

    def kinds(self) -> list[str]:
        return [message.WhichOneof("message") for message in self.received]

    def all(self, kind: str) -> list:
        return [getattr(message, kind) for message in self.received if message.WhichOneof("message") == kind]

    # What the server says.

    def say(self, **message) -> None:
        self._outgoing.put_nowait(RunResponse(**message))

    def end(self, reason: str = "", *details) -> None:
        """Ends the call: with an error if a reason is given."""
        self._outgoing.put_nowait((reason, details) if reason else None)

    def welcome(self, **fields) -> None:
        welcome = Welcome(worker_id=f"worker-{len(self.server.sessions)}", log_id=LOG)
        welcome.lease.FromNanoseconds(int(self.server.lease * 1e9))
        welcome.heartbeat_interval.FromNanoseconds(int(self.server.lease / 5 * 1e9))
        for name, value in fields.items():
            getattr(welcome, name).CopyFrom(value)
        self.say(welcome=welcome)

    def assign(
        self, partition: int = 0, *, task: int = HANDLE_EVENTS, checkpoint: int = 0, build: int = 1, partitions: int = 1, **more
    ):
        """Gives a lease; answers with its key."""
        key = LeaseKey(build=build, partition=partition, token=next(self.server.tokens))
        more = {"live": True, "live_build": build, **more}
        self.say(assigned=Assigned(lease=key, task=task, checkpoint=checkpoint, partitions=partitions, **more))
        return key

    def events(self, key: LeaseKey, *events: event_pb2.RecordedEvent | int, position: int = 0) -> None:
        given = [event(one) if isinstance(one, int) else one for one in events]
        self.say(events=Events(lease=key, events=given, position=position or given[-1].position))

    def progress(self, key: LeaseKey, position: int, *, caught_up: bool = True) -> None:
        self.say(progress=Progress(lease=key, position=position, caught_up=caught_up))

    def revoke(self, key: LeaseKey, *, lost: bool = False) -> None:
        self.say(revoked=Revoked(lease=key, lost=lost))

    def parked(self, key: LeaseKey, position: int) -> None:
        self.say(parked=Parked(lease=key, position=position))

    def replay(self, key: LeaseKey, given: event_pb2.RecordedEvent) -> None:
        self.say(replay=Replay(lease=key, event=given))

    async def outgoing(self):
        while True:
            try:
                async with asyncio.timeout(self.server.lease / 5):
                    message = await self._outgoing.get()
            except TimeoutError:
                if self.beating:
                    yield RunResponse(heartbeat=ServerHeartbeat(head=self.server.head))
                continue
            yield message
            if message is None or isinstance(message, tuple):
                return


class Scripted(ProjectionsServicer):
    """The server; one Session for each call. It welcomes by itself unless it is told not to."""

    def __init__(self) -> None:
        self.port = 0
        self.lease = 5.0
        self.head = 0
        self.welcoming = True
        self.refusal: tuple[str, tuple] | None = None
        self.tokens = itertools.count(1)
        self.sessions: list[Session] = []
        self.projection = projections_pb2.Projection()
        self.asked = 0
        self._server: grpc.aio.Server | None = None
        self._came = asyncio.Event()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> Scripted:
        self._server = grpc.aio.server()
        add_ProjectionsServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(self.target)
        await self._server.start()
        return self

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def session(self, number: int = 1, timeout: float = PATIENCE) -> Session:
        """The n-th call, when it has said hello."""
        async with asyncio.timeout(timeout):
            while len(self.sessions) < number:
                self._came.clear()
                await self._came.wait()
        session = self.sessions[number - 1]
        if self.refusal is None:
            session.hello = await session.next("hello", timeout)
        return session

    async def Run(self, request_iterator, context):  # noqa: N802 - the service calls it so
        session = Session(self, context)
        self.sessions.append(session)
        self._came.set()
        refusal = self.refusal
        if refusal is None and self.welcoming:
            session.welcome()

        async def receive() -> None:
            async for request in request_iterator:
                await session.came(request)
                if refusal is not None:  # not before the hello came: gRPC may lose what a server says while something is sent
                    session.end(refusal[0], *refusal[1])
            session.half_closed = True
            session.end()

        receiver = asyncio.create_task(receive())
        try:
            async for message in session.outgoing():
                if message is None:
                    return
                if isinstance(message, tuple):
                    await _abort(context, *message)
                yield message
        finally:
            receiver.cancel()
            with contextlib.suppress(BaseException):
                await receiver
            session.ended.set()

    async def GetProjection(self, request, context):  # noqa: N802 - the service calls it so
        self.asked += 1
        return projections_pb2.GetProjectionResponse(projection=self.projection)


async def _abort(context, reason: str, details: tuple) -> None:
    code = CODES[reason]
    status = status_pb2.Status(code=code.value[0], message="words for people")
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain="mink"), *details):
        status.details.add().Pack(detail)
    await context.abort(code, status.message, (("grpc-status-details-bin", status.SerializeToString()),))
