"""Real servers, spoken to through the raw generated stubs."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import (
    errors_pb2,
    event_pb2,
    event_store_pb2_grpc,
    expectation_pb2,
    operations_pb2,
    operations_pb2_grpc,
    projections_pb2,
    projections_pb2_grpc,
    snapshots_pb2_grpc,
)
from mink.v1 import event_store_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.servers import MinkProcess

DETAILS = {
    message.DESCRIPTOR.full_name: message
    for message in (
        error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.ResourceInfo, error_details_pb2.RetryInfo,
        errors_pb2.WrongExpectedVersion, errors_pb2.EventIdConflict, errors_pb2.PositionAhead, errors_pb2.SizeLimit,
    )
}  # fmt: skip
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_numbers = itertools.count(1)


@dataclass
class Told:
    """What a client is told of a failure."""

    code: grpc.StatusCode
    message: str
    reason: str
    details: list[Any]

    @classmethod
    def of(cls, status: Any) -> Told:
        """From a google.rpc.Status, or a Failure: they have the same fields."""
        unpacked = []
        for packed in status.details:
            message = DETAILS[packed.type_url.rpartition("/")[2]]()
            assert packed.Unpack(message)
            unpacked.append(message)
        reason = ""
        if unpacked:
            info = unpacked[0]
            assert isinstance(info, error_details_pb2.ErrorInfo), "ErrorInfo is first"
            assert info.domain == "mink"
            reason = info.reason
            assert reason in errors_pb2.ErrorReason.keys()  # noqa: SIM118 - it is no dict
        assert len(unpacked) <= 2
        return cls(_CODES[status.code], status.message, reason, unpacked)

    @property
    def detail(self) -> Any:
        """The typed detail."""
        assert len(self.details) == 2, self
        return self.details[1]

    @property
    def fields(self) -> list[str]:
        """The fields that are wrong, of an INVALID_REQUEST."""
        assert (self.code, self.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"), self
        assert isinstance(self.detail, error_details_pb2.BadRequest)
        assert all(violation.description for violation in self.detail.field_violations)
        return [violation.field for violation in self.detail.field_violations]


def told(error: grpc.aio.AioRpcError) -> Told:
    """What the error of a call says."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            assert (_CODES[status.code], status.message) == (error.code(), error.details())
            return Told.of(status)
    return Told(error.code(), error.details() or "", "", [])


async def failure(call: Any) -> Told:
    """How a call fails: a unary one, or one that streams."""

    async def end() -> None:
        if not hasattr(call, "__aiter__"):
            await call
            return
        async for _ in call:
            pass

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await end()
    return told(caught.value)


async def rest_of(call: Any) -> tuple[list[Any], Told | None]:
    """The messages of a call that is read by `read`, up to its end, and how it failed if it did."""
    messages = []
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            messages.append(message)
    except grpc.aio.AioRpcError as error:
        return messages, told(error)
    return messages, None


class Client:
    """The stubs of one server."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.store = event_store_pb2_grpc.EventStoreStub(channel)
        self.snapshots = snapshots_pb2_grpc.SnapshotsStub(channel)
        self.operations = operations_pb2_grpc.OperationsStub(channel)
        self.projections = projections_pb2_grpc.ProjectionsStub(channel)

    async def append(self, stream: str, *events: event_pb2.NewEvent, **how: Any) -> pb.AppendToStreamResponse:
        return await self.store.AppendToStream(to(stream, *events, **how), timeout=30)

    async def head(self) -> int:
        return (await self.operations.GetStatistics(operations_pb2.GetStatisticsRequest())).head

    async def log_id(self) -> str:
        return (await self.operations.GetStatistics(operations_pb2.GetStatisticsRequest())).log_id

    async def projection(self, name: str) -> projections_pb2.Projection:
        return (await self.projections.GetProjection(projections_pb2.GetProjectionRequest(projection=name))).projection

    async def read(self, stream: str, **how: Any) -> list[event_pb2.RecordedEvent]:
        return [e async for page in self.store.ReadStream(pb.ReadStreamRequest(stream=stream, **how)) for e in page.events]

    async def read_all(self, **how: Any) -> list[event_pb2.RecordedEvent]:
        return [e async for page in self.store.ReadAll(pb.ReadAllRequest(**how)) for e in page.events]

    async def session(self, *appends: pb.SessionAppend) -> dict[int, pb.SessionResult]:
        """The results of appends that are sent in one message of a session."""
        call = self.store.AppendSession()
        await call.write(pb.AppendSessionRequest(appends=appends))
        await call.done_writing()
        results = [result async for response in call for result in response.results]
        assert len({result.request_id for result in results}) == len(results)
        return {result.request_id: result for result in results}


def event(
    kind: str = "Happened", json: str | None = "{}", binary: bytes | None = None, event_id: str = "", **metadata: str
) -> event_pb2.NewEvent:
    payload: dict[str, Any] = {"json": json} if binary is None else {"binary": binary}
    return event_pb2.NewEvent(id=event_id, type=kind, metadata=metadata, **payload)


def to(stream: str, *events: event_pb2.NewEvent, **how: Any) -> pb.AppendToStreamRequest:
    """A request to append; without an expectation: ANY."""
    return pb.AppendToStreamRequest(stream=stream, events=events, **(how or {"state": expectation_pb2.ANY}))


def new_id() -> str:
    return str(uuid.uuid4())


def new_name(prefix: str = "Thing") -> str:
    """A stream name that no other test has."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


@asynccontextmanager
async def connected(process: MinkProcess) -> AsyncIterator[Client]:
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_reconnect_backoff_ms", 200),
    ]
    async with grpc.aio.insecure_channel(process.grpc_address, options=options) as channel:
        yield Client(channel)


@pytest.fixture
async def client(server: MinkProcess) -> AsyncIterator[Client]:
    """The stubs of the server that tests share."""
    async with connected(server) as made:
        yield made


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.02)


async def http(address: str, path: str) -> tuple[int, str]:
    """Status and body of a GET."""

    def get() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(get)


async def metric(process: MinkProcess, name: str) -> float:
    """The value of a metric, by its name with labels."""
    _, text = await http(process.metrics_address, "/metrics")
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, f"{name} is not in:\n{text}"
    return float(found.group(1))


def serve(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A `mink serve` that is expected to end by itself."""
    base = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    for name in ("MINK_LISTEN", "MINK_HTTP_LISTEN", "MINK_METRICS_LISTEN"):
        base[name] = "127.0.0.1:0"
    command = [sys.executable, "-m", "mink_server", *arguments]
    return subprocess.run(
        command, env=base | env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False
    )
