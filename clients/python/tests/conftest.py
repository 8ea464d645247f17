"""A small server over a real socket, to see what the client does when a server answers, fails, breaks off, or is silent."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest
import trustme
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import errors_pb2, event_pb2
from mink.v1 import event_store_pb2 as es
from mink.v1.event_store_pb2_grpc import EventStoreServicer, add_EventStoreServicer_to_server
from mink_client import TLS, Mink

_CODES = {
    "WRONG_EXPECTED_VERSION": grpc.StatusCode.ABORTED,
    "STREAM_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "POSITION_AHEAD": grpc.StatusCode.OUT_OF_RANGE,
    "DATABASE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "SHUTTING_DOWN": grpc.StatusCode.UNAVAILABLE,
    "OVERLOADED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
}


class Fakes:
    """What tests answer with."""

    @staticmethod
    def status(
        reason: str, *details: Message, code: int | None = None, message: str = "words for people", domain: str = "mink"
    ) -> status_pb2.Status:
        status = status_pb2.Status(code=code if code is not None else _CODES[reason].value[0], message=message)
        for detail in (error_details_pb2.ErrorInfo(reason=reason, domain=domain), *details):
            status.details.add().Pack(detail)
        return status

    @staticmethod
    def retry(seconds: float) -> error_details_pb2.RetryInfo:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(int(seconds * 1000))
        return info

    @staticmethod
    async def abort(context, status: status_pb2.Status) -> None:
        code = next(c for c in grpc.StatusCode if c.value[0] == status.code)
        await context.abort(code, status.message, (("grpc-status-details-bin", status.SerializeToString()),))

    @staticmethod
    def failure(append: es.SessionAppend, status: status_pb2.Status) -> es.SessionResult:
        failure = errors_pb2.Failure.FromString(status.SerializeToString())
        return es.SessionResult(request_id=append.request_id, failure=failure)

    @staticmethod
    def done(append: es.SessionAppend, position: int = 1) -> es.SessionResult:
        if append.HasField("to_streams"):
            parts = [
                es.StreamAppended(stream=part.stream, version=len(part.events), first_position=position, last_position=position)
                for part in append.to_streams.appends
            ]
            several = es.AppendToStreamsResponse(streams=parts, first_position=position, last_position=position)
            return es.SessionResult(request_id=append.request_id, to_streams=several)
        count = len(append.to_stream.events)
        one = es.AppendToStreamResponse(version=count, first_position=position, last_position=position + count - 1)
        return es.SessionResult(request_id=append.request_id, to_stream=one)

    @staticmethod
    def event(position: int, *, version: int | None = None, stream: str = "Order-1") -> event_pb2.RecordedEvent:
        return event_pb2.RecordedEvent(
            position=position, version=version or position, id=f"id-{position}", stream=stream, type="OrderPlaced", json="{}"
        )


class Server(EventStoreServicer):
    """Its handlers are set by the tests; what comes in is kept."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Message] = []
        self.appends: list[es.SessionAppend] = []
        self.ended: list[str] = []
        self.calls: list[dict[str, str]] = []
        self.identities: list[str] = []
        self.tokens: set[str] | None = None
        self.on_session: Callable[..., AsyncIterator[es.AppendSessionResponse]] | None = None
        self.on_append: Callable[[es.SessionAppend], Awaitable[es.SessionResult | None]] | None = None
        self.on_unary: Callable[..., Awaitable[Message]] | None = None
        self.on_stream: Callable[..., AsyncIterator[Message]] | None = None
        self._server: grpc.aio.Server | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self._server = grpc.aio.server()
        add_EventStoreServicer_to_server(self, self._server)
        if credentials is None:
            self.port = self._server.add_insecure_port(self.target)
        else:
            self.port = self._server.add_secure_port(self.target, credentials)
        await self._server.start()

    async def _admit(self, context) -> None:
        """Keeps what came with the call, and refuses it if its token is not one of ours."""
        metadata = {key: value for key, value in context.invocation_metadata() if key != "user-agent"}
        self.calls.append(metadata)
        self.identities += [name.decode() for name in context.auth_context().get("x509_common_name", ())]
        if self.tokens is not None and metadata.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            needed = errors_pb2.AccessRequired(role="read")
            await Fakes.abort(context, Fakes.status("UNAUTHENTICATED", needed, message="no such token"))

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def AppendSession(self, request_iterator, context):  # noqa: N802 - the service calls it so
        await self._admit(context)
        if self.on_session is not None:
            async for response in self.on_session(request_iterator, context):
                yield response
            return
        answered: asyncio.Queue[es.SessionResult | None] = asyncio.Queue()
        tasks = set()

        async def answer(append: es.SessionAppend) -> None:
            result = await self.on_append(append) if self.on_append else Fakes.done(append)
            if result is not None:
                answered.put_nowait(result)

        async def receive() -> None:
            async for request in request_iterator:
                self.requests.append(request)
                self.appends.extend(request.appends)
                tasks.update([asyncio.create_task(answer(append)) for append in request.appends])
            await asyncio.gather(*tasks)
            answered.put_nowait(None)

        receiver = asyncio.create_task(receive())
        try:
            while (result := await answered.get()) is not None:
                yield es.AppendSessionResponse(results=[result])
        finally:
            for task in (receiver, *tasks):
                task.cancel()
            await asyncio.gather(receiver, *tasks, return_exceptions=True)

    async def _unary(self, request, context):
        await self._admit(context)
        self.requests.append(request)
        return await self.on_unary(request, context)

    AppendToStream = AppendToStreams = GetStream = ListStreams = TruncateStream = DeleteStream = _unary

    async def _stream(self, request, context):
        await self._admit(context)
        self.requests.append(request)
        try:
            async for message in self.on_stream(request, context):
                yield message
            self.ended.append("finished")
        except (asyncio.CancelledError, GeneratorExit):
            self.ended.append("cancelled")
            raise

    ReadStream = ReadAll = SubscribeAll = _stream


@pytest.fixture
def fakes() -> type[Fakes]:
    return Fakes


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def mink(server: Server) -> AsyncIterator[Mink]:
    async with Mink(server.target, timeout=5.0) as mink:
        yield mink


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    async def wait(condition: Callable[[], object], seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for is somebody else's
                await asyncio.sleep(0.005)

    return wait


class Authority:
    """Somebody who signs certificates."""

    def __init__(self, file: Path) -> None:
        self._ca = trustme.CA()
        self.root = self._ca.cert_pem.bytes()
        self.file = file
        file.write_bytes(self.root)

    def issue(self, *names, common_name=None, expired=False, early=False):
        if not expired and not early:
            return self._ca.issue_cert(*names, common_name=common_name)
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        since, until = (now + day, now + 3 * day) if early else (now - 3 * day, now - day)
        return self._ca.issue_cert(*names, common_name=common_name, not_before=since, not_after=until)

    def serves(self, *names, clients=None, expired=False, early=False):
        """What a server with a certificate for these names needs; it asks clients for theirs if it is told who signs them."""
        pair = self.parts(self.issue(*(names or ("localhost", "127.0.0.1")), expired=expired, early=early))
        return grpc.ssl_server_credentials([pair], clients.root if clients else None, clients is not None)

    @staticmethod
    def parts(certificate):
        """The key, and the chain."""
        return certificate.private_key_pem.bytes(), b"".join(blob.bytes() for blob in certificate.cert_chain_pems)

    @classmethod
    def write(cls, certificate, cert_file, key_file):
        """Puts a certificate into its files, each of them whole or not at all."""
        for file, data in zip((key_file, cert_file), cls.parts(certificate), strict=True):
            file.with_suffix(".part").write_bytes(data)
            file.with_suffix(".part").replace(file)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "ca.pem")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger") / "ca.pem")


@pytest.fixture
def own(authority, tmp_path):
    """The client's own certificate, in files."""
    tls = TLS(authority.file, tmp_path / "client.pem", tmp_path / "client.key")
    authority.write(authority.issue("x", common_name="billing"), tls.cert_file, tls.key_file)
    return tls


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("TLS", "CA_FILE", "CLIENT_CERT_FILE", "CLIENT_KEY_FILE", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"MINK_{name}", raising=False)
