"""More than the server can do, from clients that do not wait: it says so before its memory runs out, and is well afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import event_store_pb2 as pb
from mink.v1.event_store_pb2_grpc import EventStoreStub
from mink_client import ANY, Mink, NewEvent

from tests.reliability.bad_clients import OPTIONS, append
from tests.reliability.load import report, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

MIB = 1024 * 1024
# What the server may have (MINK_MAX_MEMORY_BYTES). It begins with some 50.
MOST = 320 * MIB
LARGE = 900_000
# gRPC's own window of a client that reads nothing.
SLOW = [*OPTIONS, ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535)]


def said(status: status_pb2.Status) -> str:
    """The reason in an error. OVERLOADED must say when to come back."""
    found = [detail for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    info = error_details_pb2.ErrorInfo()
    if not found or not found[0].Unpack(info):
        return f"code {status.code}: {status.message}"
    if info.reason == "OVERLOADED":
        retry = error_details_pb2.RetryInfo()
        assert status.details[1].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() > 0
    return str(info.reason)


def why(error: grpc.aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return said(status_pb2.Status.FromString(value))
    return f"{error.code().name}: {error.details()}"


class Flood:
    """Clients that do not wait."""

    def __init__(self, address: str, answers: Counter[str]) -> None:
        self._address = address
        self.answers = answers

    async def appends(self, count: int) -> None:
        """So many large appends at once, over a few connections."""
        channels = [grpc.aio.insecure_channel(self._address, options=OPTIONS) for _ in range(8)]
        try:
            await asyncio.gather(*(self._append(channels[i % 8], append(f"Flood-{i % 8}", LARGE)) for i in range(count)))
        finally:
            await asyncio.gather(*(channel.close() for channel in channels))

    async def _append(self, channel: grpc.aio.Channel, request: pb.AppendToStreamRequest) -> None:
        try:
            await EventStoreStub(channel).AppendToStream(request, timeout=60)
            self.answers["appended"] += 1
        except grpc.aio.AioRpcError as error:
            self.answers[why(error)] += 1

    async def session(self, messages: int) -> None:
        """Messages of a session, as fast as they go."""
        async with grpc.aio.insecure_channel(self._address, options=OPTIONS) as channel:
            call = EventStoreStub(channel).AppendSession()

            async def read() -> None:
                async for response in call:
                    for result in response.results:
                        if result.WhichOneof("result") == "failure":
                            self.answers[said(status_pb2.Status.FromString(result.failure.SerializeToString()))] += 1
                        else:
                            self.answers["appended"] += 1

            reading = asyncio.create_task(read())
            try:
                for number in range(messages):
                    one = pb.SessionAppend(request_id=number, to_stream=append("Flood-session", LARGE))
                    await call.write(pb.AppendSessionRequest(appends=[one]))
                await call.done_writing()
                await reading
            except grpc.aio.AioRpcError as error:
                self.answers[why(error)] += 1
            except asyncio.InvalidStateError:  # the call is over; whoever reads says why
                self.answers[why((await asyncio.gather(reading, return_exceptions=True))[0])] += 1
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def slow_readers(self, count: int, until: asyncio.Event) -> None:
        """Readers that take one message and no more."""
        async with grpc.aio.insecure_channel(self._address, options=SLOW) as channel:
            store = EventStoreStub(channel)
            calls: list[Any] = []
            for number in range(count):
                call = store.ReadAll(pb.ReadAllRequest()) if number % 2 else store.SubscribeAll(pb.SubscribeAllRequest())
                calls.append(call)
                try:
                    await call.read()
                except grpc.aio.AioRpcError as error:
                    self.answers[why(error)] += 1
            await until.wait()


@pytest.mark.parametrize(
    ("rounds", "large"),
    [
        pytest.param(1, 800, id="short"),
        pytest.param(8, 1500, id="long", marks=[pytest.mark.reliability, pytest.mark.timeout(600)]),
    ],
)
async def test_more_than_the_server_can_do(start_server: Callable[..., MinkProcess], rounds: int, large: int) -> None:
    server = start_server(MINK_MAX_MEMORY_BYTES=str(MOST))
    answers: Counter[str] = Counter()
    flood = Flood(server.grpc_address, answers)
    highest = 0

    async def look() -> None:
        nonlocal highest
        while True:
            highest = max(highest, server.memory())
            await asyncio.sleep(0.02)

    async with Mink(server.grpc_address, timeout=60) as client:
        for number in range(10):
            await client.append(f"Before-{number}", [NewEvent("T", b"x" * 4000) for _ in range(500)], expected=ANY)
        looking = asyncio.create_task(look())
        try:
            over = asyncio.Event()
            slow = [asyncio.create_task(flood.slow_readers(30, over)) for _ in range(10)]
            for _ in range(rounds):
                await asyncio.gather(flood.appends(large), *(flood.session(20) for _ in range(10)))
            over.set()
            await asyncio.gather(*slow)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        # It is well again: an append and a reading go through at once, and nothing is under way.
        end = asyncio.get_running_loop().time() + 30
        while True:
            found = await values(server)
            rest = [
                found[name] for name in ("mink_calls_in_flight", "mink_request_bytes_in_flight", "mink_response_bytes_in_flight")
            ]
            if rest == [0, 0, 0] and not found["mink_memory_full"]:
                break
            assert asyncio.get_running_loop().time() < end, rest
            await asyncio.sleep(0.2)
        done = await client.append("After", [NewEvent("T", {})], expected=ANY, timeout=5)
        assert [event.position async for event in client.read_all(after=done.first_position - 1)] == [done.first_position]
    report("more than the server can do", highest_mib=highest / MIB, bound_mib=MOST // MIB, **dict(answers))
    assert set(answers) == {"appended", "OVERLOADED"}
    assert min(answers.values()) > 0
    assert highest < MOST
    assert '"level": "error"' not in server.output
    assert "Traceback" not in server.output
