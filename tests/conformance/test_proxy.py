"""The proxy does what a fault says, seen by a client of gRPC's own that retries nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from mink.v1 import errors_pb2, event_pb2, event_store_pb2, event_store_pb2_grpc, expectation_pb2

from clients.conformance.harness.faults import Faults
from clients.conformance.harness.proxy import Proxy
from clients.conformance.harness.statuses import _REASONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import MinkProcess

EVENT_SIZE = 200_000  # so that a reading takes several messages


@pytest.fixture
async def proxy(server: MinkProcess) -> AsyncIterator[Proxy]:
    made = Proxy(server.grpc_address)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def events(proxy: Proxy) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(proxy.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield event_store_pb2_grpc.EventStoreStub(channel)


def append(stream: str, count: int = 1, size: int = 2) -> event_store_pb2.AppendToStreamRequest:
    made = [event_pb2.NewEvent(type="T", binary=bytes(size)) for _ in range(count)]
    return event_store_pb2.AppendToStreamRequest(stream=stream, state=expectation_pb2.ANY, events=made)


async def version(server: MinkProcess, stream: str) -> int:
    """What the server itself says, past the proxy."""
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        stub: Any = event_store_pb2_grpc.EventStoreStub(channel)
        try:
            answer = await stub.GetStream(event_store_pb2.GetStreamRequest(stream=stream))
        except grpc.aio.AioRpcError:
            return 0
        return int(answer.stream.version)


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    found = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return None if found is None else status_pb2.Status.FromString(found)


async def read(events: Any, stream: str) -> tuple[int, grpc.aio.AioRpcError | None]:
    """How many messages of a reading came, and how it ended if not well."""
    messages = 0
    try:
        async for _ in events.ReadStream(event_store_pb2.ReadStreamRequest(stream=stream), timeout=20):
            messages += 1
    except grpc.aio.AioRpcError as error:
        return messages, error
    return messages, None


async def test_without_a_fault_calls_pass_as_they_are(proxy, events, server) -> None:
    done = await events.AppendToStream(append("Pass-1"), timeout=20)
    assert done.version == await version(server, "Pass-1") == 1
    error = await failure(events.GetStream(event_store_pb2.GetStreamRequest(stream="Pass-0"), timeout=20))
    info = error_details_pb2.ErrorInfo()
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert status_of(error).details[0].Unpack(info)
    assert info.reason == "STREAM_NOT_FOUND"
    assert proxy.faults.seen(None) == {"calls": 2, "appends": 0}
    assert proxy.faults.seen("GetStream") == {"calls": 1, "appends": 0}


@pytest.mark.parametrize("reason", sorted(_REASONS))
async def test_a_refused_call_fails_as_mink_would_say_it_and_reaches_nobody(proxy, events, server, reason) -> None:
    proxy.faults.plan({"method": "AppendToStream", "do": "refuse", "reason": reason, "retry_after": 0.25})
    error = await failure(events.AppendToStream(append(f"Refused-{reason}"), timeout=20))
    status, info, retry = status_of(error), error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert error.code().value[0] == status.code
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, "mink")
    assert status.details[-1].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 0.25
    assert await version(server, f"Refused-{reason}") == 0
    assert (await events.AppendToStream(append(f"Refused-{reason}"), timeout=20)).version == 1


def test_the_harness_knows_every_reason_that_is_not_about_projections() -> None:
    reasons = {name for name in list(errors_pb2.ErrorReason.keys()) if not name.startswith("PROJECTION")}
    assert reasons - {"ERROR_REASON_UNSPECIFIED"} <= set(_REASONS)


async def test_a_bare_status_has_no_details(proxy, events) -> None:
    proxy.faults.plan({"method": "any", "do": "refuse", "code": "PERMISSION_DENIED"})
    error = await failure(events.AppendToStream(append("Bare-1"), timeout=20))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert status_of(error) is None


async def test_an_answer_that_is_lost_was_given(proxy, events, server) -> None:
    proxy.faults.plan({"method": "AppendToStream", "do": "lose_answer"})
    error = await failure(events.AppendToStream(append("Lost-1"), timeout=20))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert await version(server, "Lost-1") == 1


@pytest.mark.parametrize(("do", "code"), [("cut_after", grpc.StatusCode.UNAVAILABLE), ("end_after", None)])
async def test_a_call_breaks_or_ends_after_as_many_messages(proxy, events, do, code) -> None:
    stream = f"Long-{do}"
    await events.AppendToStream(append(stream, count=20, size=EVENT_SIZE), timeout=20)
    whole, _ = await read(events, stream)
    assert whole > 2
    proxy.faults.plan({"method": "ReadStream", "do": do, "after": 2})
    messages, error = await read(events, stream)
    assert messages == 2
    assert (error.code() if error else None) is code
    assert await read(events, stream) == (whole, None)


async def test_a_silent_call_stays_open_until_faults_are_taken_back(proxy, events) -> None:
    proxy.faults.plan({"method": "SubscribeAll", "do": "silence", "after": 1})
    call = events.SubscribeAll(event_store_pb2.SubscribeAllRequest())
    await call.read()
    waiting = asyncio.create_task(call.read())
    await asyncio.sleep(4)  # there would have been a checkpoint
    assert not waiting.done()
    proxy.faults.plan({"do": "clear"})
    assert (await failure(waiting)).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_delayed_call_takes_as_long(proxy, events) -> None:
    proxy.faults.plan({"method": "AppendToStream", "do": "delay", "after": 0.5})
    began = time.monotonic()
    await events.AppendToStream(append("Delayed-1"), timeout=20)
    assert time.monotonic() - began >= 0.5


async def test_appends_of_an_open_session_are_refused_one_by_one(proxy, events, server) -> None:
    call = events.AppendSession()

    async def send(*ids: int) -> dict[int, str | None]:
        appends = [event_store_pb2.SessionAppend(request_id=i, to_stream=append(f"Session-{i}")) for i in ids]
        await call.write(event_store_pb2.AppendSessionRequest(appends=appends))
        found: dict[int, str | None] = {}
        while len(found) < len(ids):
            for result in (await call.read()).results:
                found[result.request_id] = result.WhichOneof("result")
        return found

    assert await send(1) == {1: "to_stream"}
    proxy.faults.plan({"do": "refuse_append", "times": 2, "reason": "OVERLOADED"})
    assert await send(2, 3, 4) == {2: "failure", 3: "failure", 4: "to_stream"}
    proxy.faults.plan({"do": "refuse_append", "reason": "OVERLOADED"})
    assert await send(5) == {5: "failure"}
    assert proxy.faults.seen("AppendSession") == {"calls": 1, "appends": 5}
    assert [await version(server, f"Session-{i}") for i in range(1, 6)] == [1, 0, 0, 1, 0]
    call.cancel()


async def test_a_client_that_gives_up_ends_its_call_behind_the_proxy_too(proxy, events, server) -> None:
    proxy.faults.plan({"method": "AppendToStream", "do": "delay", "after": 1})
    error = await failure(events.AppendToStream(append("Late-1"), timeout=0.2))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.sleep(1.2)
    assert await version(server, "Late-1") == 0


def test_each_call_gets_one_fault_and_in_their_order() -> None:
    faults = Faults()
    faults.plan({"method": "ReadAll", "do": "cut_after", "after": 1, "times": 2})
    faults.plan({"method": "any", "do": "silence", "after": 3})
    faults.plan({"do": "refuse_append", "code": "UNAVAILABLE"})
    found = [faults.begin(method) for method in ("ReadAll", "GetStream", "ReadAll", "ReadAll")]
    assert [fault and fault.do for fault in found] == ["cut_after", "silence", "cut_after", None]
    assert faults.append() is not None
    assert faults.append() is None


@pytest.mark.parametrize(
    "said",
    [
        {"do": "explode"},
        {"do": "refuse"},
        {"do": "refuse", "code": "NO_SUCH_CODE"},
        {"do": "cut_after", "afer": 1},
    ],
    ids=str,
)
def test_a_fault_that_cannot_be_is_refused(said) -> None:
    with pytest.raises(ValueError, match=r"."):
        Faults().plan(said)
