"""Real servers over TLS, with certificates of a CA of the test's own and a tokens file that tests change while they run."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import msgspec
import pytest
import trustme
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import (
    errors_pb2,
    event_pb2,
    event_store_pb2,
    event_store_pb2_grpc,
    expectation_pb2,
    operations_pb2_grpc,
    projections_pb2_grpc,
    snapshots_pb2_grpc,
)
from mink_server.core.access import Role
from mink_server.security import editing
from mink_server.security.tokens import Certificate, Tokens, new_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.servers import MinkProcess

ADDRESS = "127.0.0.1"


class Authority:
    """A CA, and files with what it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.roots = self.ca.cert_pem.bytes()
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.roots)

    def server_files(self, **more: Any) -> tuple[Path, Path]:
        """Writes a new certificate and key for servers; answers with the two files."""
        made = self.ca.issue_cert(ADDRESS, "localhost", **more)
        cert, key = self.folder / "server.pem", self.folder / "server.key"
        replace(cert, b"".join(pem.bytes() for pem in made.cert_chain_pems))
        replace(key, made.private_key_pem.bytes())
        return cert, key

    def client(self, *names: str, common_name: str | None = None) -> tuple[bytes, bytes]:
        """A client's key and certificate, as PEM."""
        made = self.ca.issue_cert(*names, common_name=common_name)
        return made.private_key_pem.bytes(), made.cert_chain_pems[0].bytes()


def replace(path: Path, data: bytes) -> None:
    """Puts a whole file in the place of another."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.chmod(0o600)
    new.rename(path)


class TokensFile:
    """A tokens file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        editing.save(path, Tokens())

    def add(self, name: str, *roles: str, prefixes: tuple[str, ...] = (), seconds: float | None = None) -> str:
        """A new token."""
        now = datetime.now(UTC)
        expires = None if seconds is None else now + timedelta(seconds=seconds)
        made, text = new_token(name, tuple(map(Role, roles)), prefixes, now, expires)
        content = self._load()
        editing.save(self.path, msgspec.structs.replace(content, tokens=(*content.tokens, made)))
        return text

    def add_certificate(self, name: str, identity: str, *roles: str) -> None:
        """Somebody with a certificate."""
        content = self._load()
        entry = Certificate(name, identity, tuple(map(Role, roles)))
        editing.save(self.path, msgspec.structs.replace(content, certificates=(*content.certificates, entry)))

    def change(self, name: str, **fields: Any) -> None:
        """Changes what a token may do."""
        content = self._load()
        entries = tuple(msgspec.structs.replace(t, **fields) if t.name == name else t for t in content.tokens)
        editing.save(self.path, msgspec.structs.replace(content, tokens=entries))

    def remove(self, name: str) -> None:
        """Revokes what somebody has."""
        content = self._load()
        editing.save(
            self.path,
            Tokens(tuple(t for t in content.tokens if t.name != name), tuple(c for c in content.certificates if c.name != name)),
        )

    def _load(self) -> Tokens:
        return editing.load("MINK_TOKENS_FILE", self.path)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tokens(tmp_path: Path) -> TokensFile:
    return TokensFile(tmp_path / "tokens.json")


@dataclass
class Denied:
    """How a call was refused."""

    code: grpc.StatusCode
    message: str
    reason: str
    role: str
    stream: str


def denied(error: grpc.aio.AioRpcError) -> Denied:
    """What an error says."""
    info, access = error_details_pb2.ErrorInfo(), errors_pb2.AccessRequired()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            details = status_pb2.Status.FromString(value).details
            assert details[0].Unpack(info)
            if len(details) > 1:
                details[1].Unpack(access)
    return Denied(error.code(), error.details() or "", info.reason, access.role, access.stream)


class Client:
    """Speaks to a server as somebody.

    Args:
        address: HOST:PORT.
        roots: Who signed the server's certificate; None: no TLS.
        token: A bearer token.
        certificate: Key and certificate, PEM.
    """

    def __init__(
        self, address: str, roots: bytes | None, token: str | None = None, certificate: tuple[bytes, bytes] | None = None
    ) -> None:
        # A connection of its own, and not one that gRPC has for another channel with the same credentials.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.metadata = None if token is None else (("authorization", f"Bearer {token}"),)
        if roots is None:
            self.channel = grpc.aio.insecure_channel(address, options=options)
        else:
            key, cert = certificate or (None, None)
            self.channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(roots, key, cert), options=options)
        self.events = event_store_pb2_grpc.EventStoreStub(self.channel)
        self.snapshots = snapshots_pb2_grpc.SnapshotsStub(self.channel)
        self.operations = operations_pb2_grpc.OperationsStub(self.channel)
        self.projections = projections_pb2_grpc.ProjectionsStub(self.channel)

    async def append(self, stream: str, *, timeout: float = 20) -> event_store_pb2.AppendToStreamResponse:
        return await self.events.AppendToStream(append_request(stream), metadata=self.metadata, timeout=timeout)

    async def statistics_code(self) -> grpc.StatusCode:
        """How the server answers to GetStream of a stream that is not there: NOT_FOUND to whoever may ask."""
        try:
            await self.events.GetStream(event_store_pb2.GetStreamRequest(stream="Nobody-1"), metadata=self.metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    async def subscribe(self, **fields: Any) -> grpc.aio.UnaryStreamCall[Any, Any]:
        """A subscription that has begun."""
        call = self.events.SubscribeAll(event_store_pb2.SubscribeAllRequest(**fields), metadata=self.metadata, timeout=60)
        await call.read()
        return call


def append_request(stream: str) -> event_store_pb2.AppendToStreamRequest:
    """An append of one event to a stream, as it is."""
    return event_store_pb2.AppendToStreamRequest(
        stream=stream, state=expectation_pb2.ANY, events=[event_pb2.NewEvent(type="T", json="{}")]
    )


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Client]]:
    """Makes clients, as Client does, and closes them."""
    made: list[Client] = []

    def make(*args: Any, **named: Any) -> Client:
        made.append(Client(*args, **named))
        return made[-1]

    yield make
    for client in made:
        await client.channel.close()


@pytest.fixture
def start_secured(authority: Authority, tokens: TokensFile, start_server: Callable[..., MinkProcess]) -> Callable[..., MinkProcess]:
    """Starts a server over TLS with tokens, on every address of the machine: only a secured one may do that."""

    def start(*, client_ca: bool = False, with_tokens: bool = True, **env: str) -> MinkProcess:
        cert, key = authority.server_files()
        env = {"MINK_LISTEN": "0.0.0.0:0", "MINK_TLS_CERT_FILE": str(cert), "MINK_TLS_KEY_FILE": str(key), **env}
        if with_tokens:
            env["MINK_TOKENS_FILE"] = str(tokens.path)
        if client_ca:
            env["MINK_TLS_CLIENT_CA_FILE"] = str(authority.ca_file)
        return start_server(**env)

    return start


def address_of(server: MinkProcess) -> str:
    """Where to reach a server that listens on every address."""
    return f"{ADDRESS}:{server.grpc_address.rpartition(':')[2]}"


def metric(server: MinkProcess, name: str) -> float | None:
    """The value of a sample of /metrics, by its name with its labels."""
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), None)


def reloads(server: MinkProcess, file: str, outcome: str) -> float:
    """How often files were read again."""
    return metric(server, f'mink_reloads_total{{file="{file}",outcome="{outcome}"}}') or 0


async def until(true: Callable[[], Any], what: str, timeout: float = 20) -> Any:
    """Waits until something is so; awaits it if it has to be."""
    end = time.monotonic() + timeout
    while True:
        found = true()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


@pytest.fixture
def secured(start_secured: Callable[..., MinkProcess]) -> MinkProcess:
    """A server over TLS with tokens."""
    return start_secured()
