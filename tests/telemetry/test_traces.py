"""A trace that began at a client goes through the call, the batch and the database, and into the event."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mink.v1 import event_store_pb2 as pb
from mink.v1 import event_store_pb2_grpc
from opentelemetry.instrumentation.grpc import aio_client_interceptors
from opentelemetry.sdk.trace import TracerProvider

from tests.rpc.conftest import Client, connected, event, new_id, to
from tests.support.servers import MinkProcess
from tests.telemetry.receivers import Receiver, Span, http_receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALL = "mink.v1.EventStore/"
SERVER, CLIENT, INTERNAL = 2, 3, 1
UNSET, ERROR = 0, 2
Traced = "Callable[..., MinkProcess]"


class Trace:
    """A trace that a client has begun: what it sends, and how its spans are found."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.id = uuid.uuid4().hex
        self.parent = uuid.uuid4().hex[:16]
        self.header = f"00-{self.id}-{self.parent}-0{int(sampled)}"
        self.metadata = (("traceparent", self.header),)


async def append(client: Client, trace: Trace, stream: str = "A", *events: Any) -> pb.AppendToStreamResponse:
    return await client.store.AppendToStream(to(stream, *(events or (event(),))), metadata=trace.metadata, timeout=20)


async def one(receiver: Receiver, name: str, trace: str = "") -> Span:
    (found,) = await receiver.until(lambda: receiver.named(name, trace))
    return found


async def test_an_append_is_a_trace_of_call_batch_and_statement(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        trace = Trace()
        await append(client, trace, "Order-1", event("OrderPlaced", '{"card":"4111111111111111"}'))
        statement = await one(receiver, "select", trace.id)
        call = await one(receiver, CALL + "AppendToStream", trace.id)
        batch = await one(receiver, "mink.append_batch", trace.id)
        assert (call.parent, batch.parent, statement.parent) == (trace.parent, call.id, batch.id)
        assert (call.kind, batch.kind, statement.kind) == (SERVER, INTERNAL, CLIENT)
        assert (call.status, call.events) == (UNSET, [])
        assert call.attributes.pop("network.peer.port") > 0
        assert call.attributes == {
            "rpc.system": "grpc",
            "rpc.service": "mink.v1.EventStore",
            "rpc.method": "AppendToStream",
            "rpc.grpc.status_code": 0,
            "network.peer.address": "127.0.0.1",
            "network.type": "ipv4",
            "mink.stream": "Order-1",
        }
        assert batch.attributes["mink.appends"] == batch.attributes["mink.events"] == 1
        assert batch.attributes["mink.bytes"] > 20
        assert "append_v1" in statement.attributes["db.statement"]
        assert call.resource["service.name"] == "mink"
        assert "4111" not in str(receiver.spans)


async def test_a_client_instrumented_by_opentelemetry_begins_the_trace(traced: Traced, receiver: Receiver) -> None:
    provider = TracerProvider()
    process = traced()
    async with grpc.aio.insecure_channel(process.grpc_address, interceptors=aio_client_interceptors(provider)) as channel:
        with provider.get_tracer("test").start_as_current_span("work") as span:
            await event_store_pb2_grpc.EventStoreStub(channel).AppendToStream(to("A", event()))
        trace = f"{span.get_span_context().trace_id:032x}"
    call = await one(receiver, CALL + "AppendToStream", trace)
    assert call.parent not in ("", f"{span.get_span_context().span_id:016x}")  # below the client's own span of the call
    provider.shutdown()


async def test_an_event_carries_the_trace_of_its_append(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        trace = Trace()
        await client.store.AppendToStream(
            to("A", event(colour="red"), event(traceparent="mine")), metadata=(*trace.metadata, ("tracestate", "a=1"))
        )
        call = await one(receiver, CALL + "AppendToStream", trace.id)
        first, second = await client.read("A")
        assert first.metadata == {"colour": "red", "traceparent": f"00-{trace.id}-{call.id}-01", "tracestate": "a=1"}
        assert second.metadata == {"traceparent": "mine"}


async def test_metadata_that_is_full_stays_as_it_is(traced: Traced) -> None:
    async with connected(traced()) as client:
        full = {f"key{n}": "" for n in range(100)}
        await append(client, Trace(), "A", event(**full))
        assert (await client.read("A"))[0].metadata == full


async def test_an_append_sent_again_with_another_trace_is_a_replay(traced: Traced) -> None:
    async with connected(traced()) as client:
        one_event = event(event_id=new_id())
        assert not (await append(client, Trace(), "A", one_event)).replayed
        assert (await append(client, Trace(), "A", one_event)).replayed


async def test_who_is_not_recorded_is_carried_on_but_leaves_no_span(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        silent, loud = Trace(sampled=False), Trace()
        await append(client, silent)
        await append(client, loud)
        await one(receiver, CALL + "AppendToStream", loud.id)
        assert [span for span in receiver.spans if span.trace == silent.id] == []
        assert (await client.read("A"))[0].metadata["traceparent"].startswith(f"00-{silent.id}-")
        assert (await client.read("A"))[0].metadata["traceparent"].endswith("-00")


async def test_a_trace_that_begins_here_and_is_not_recorded_leaves_nothing(traced: Traced, receiver: Receiver) -> None:
    process = traced(OTEL_TRACES_SAMPLER="parentbased_always_off")
    async with connected(process) as client:
        await client.append("A", event())
        await append(client, trace := Trace())
        await one(receiver, CALL + "AppendToStream", trace.id)
        assert {span.trace for span in receiver.spans} == {trace.id}
        assert (await client.read("A"))[0].metadata == {}


async def test_half_of_the_traces_are_recorded_when_the_ratio_says_so(traced: Traced, receiver: Receiver) -> None:
    process = traced(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5", OTEL_PROPAGATORS="none")
    async with connected(process) as client:
        for _ in range(100):
            await client.append("A", event())
    process.stop()
    assert 10 < len(receiver.named(CALL + "AppendToStream")) < 90


async def test_several_callers_in_a_batch_are_linked(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        traces = {trace.id: trace for trace in (Trace() for _ in range(150))}
        await asyncio.gather(*(append(client, trace, f"A-{n}") for n, trace in enumerate(traces.values())))
        name = CALL + "AppendToStream"
        calls = {span.id: span for span in await receiver.until(lambda: len(receiver.named(name)) == 150 and receiver.named(name))}
        batches = receiver.named("mink.append_batch")
        assert sum(batch.attributes["mink.appends"] for batch in batches) == 150
        assert len(batches) < 150, "nothing was committed together"
        for batch in batches:
            assert calls[batch.parent].trace == batch.trace
            assert len(batch.links) == min(batch.attributes["mink.appends"] - 1, 64)
            for link in batch.links:
                assert batch.id in calls[link].links
        of_batches = {batch.id for batch in batches}
        parents = {batch.parent for batch in batches}
        assert all(set(call.links) <= of_batches for call in calls.values())
        assert all(bool(call.links) != (call.id in parents) for call in calls.values())


async def test_only_who_is_recorded_gives_its_batch_a_span(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        await append(client, Trace(sampled=False))
        traces = [Trace(sampled=n == 7) for n in range(20)]
        await asyncio.gather(*(append(client, trace, f"B-{n}") for n, trace in enumerate(traces)))
        (batch,) = await receiver.until(lambda: receiver.named("mink.append_batch"))
        assert (batch.trace, batch.links) == (traces[7].id, [])
        assert {span.trace for span in receiver.spans} == {traces[7].id}


async def test_the_server_begins_no_traces_of_its_own(traced: Traced, receiver: Receiver) -> None:
    """It asks the database for the head, for health and for the log's size, without anybody's call."""
    async with connected(traced()) as client:
        await asyncio.sleep(3)
        trace = Trace()
        await append(client, trace)
        await one(receiver, CALL + "AppendToStream", trace.id)
        assert {span.trace for span in receiver.spans} == {trace.id}


async def test_the_statements_of_a_read_are_below_its_call(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        await append(client, Trace(sampled=False))
        trace = Trace()
        async for _ in client.store.ReadStream(pb.ReadStreamRequest(stream="A"), metadata=trace.metadata):
            pass
        call = await one(receiver, CALL + "ReadStream", trace.id)
        statements = [span for span in receiver.spans if span.trace == trace.id and span.kind == CLIENT]
        assert statements
        assert {span.parent for span in statements} == {call.id}
        assert call.attributes["mink.stream"] == "A"


async def test_appends_of_a_session_continue_the_traces_of_their_events(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced(OTEL_TRACES_SAMPLER="parentbased_always_off")) as client:
        recorded, silent = Trace(), Trace(sampled=False)
        requests = [
            to("A", event(traceparent=recorded.header), event()),
            to("B", event(traceparent=silent.header)),
            to("C", event()),
        ]
        await client.session(*(pb.SessionAppend(request_id=n, to_stream=request) for n, request in enumerate(requests)))
        span = await one(receiver, "mink.append", recorded.id)
        assert (span.parent, span.kind, span.status) == (recorded.parent, SERVER, UNSET)
        assert span.attributes == {"mink.stream": "A", "mink.events": 2}
        batch = await one(receiver, "mink.append_batch", recorded.id)
        assert batch.parent == span.id
        assert {span.trace for span in receiver.spans} == {recorded.id}
        first, second = await client.read("A")
        assert first.metadata["traceparent"] == recorded.header
        assert second.metadata["traceparent"] == f"00-{recorded.id}-{span.id}-01"
        assert (await client.read("C"))[0].metadata == {}


async def test_an_append_of_a_session_says_why_it_failed(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        trace = Trace()
        await client.session(
            pb.SessionAppend(request_id=1, to_stream=to("A", event(traceparent=trace.header), exact_version=9)),
        )
        span = await one(receiver, "mink.append", trace.id)
        assert (span.status, span.attributes["mink.reason"]) == (UNSET, "WRONG_EXPECTED_VERSION")


async def test_a_session_without_traces_begins_one_for_each_append(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        await client.session(*(pb.SessionAppend(request_id=n, to_stream=to(f"A-{n}", event())) for n in range(3)))
        appends = await receiver.until(lambda: len(receiver.named("mink.append")) == 3 and receiver.named("mink.append"))
        assert len({span.trace for span in appends}) == 3
        assert {span.parent for span in appends} == {""}
        session = await one(receiver, CALL + "AppendSession")
        assert session.attributes["mink.messages.received"] == 1
        assert session.attributes["mink.messages.sent"] >= 1


async def test_a_subscription_is_one_span_without_more_below_it(traced: Traced, receiver: Receiver) -> None:
    process = traced(MINK_TAIL_BYTES="0")
    async with connected(process) as client:
        for n in range(3):
            await append(client, Trace(sampled=False), f"A-{n}")
        trace = Trace()
        call = client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=0), metadata=trace.metadata)
        while (await call.read()).WhichOneof("message") != "caught_up":
            pass
        call.cancel()
        span = await one(receiver, CALL + "SubscribeAll", trace.id)
        assert span.attributes["rpc.grpc.status_code"] == 1
        assert span.attributes["mink.messages.sent"] >= 2
        assert [span.name for span in receiver.spans if span.trace == trace.id] == [CALL + "SubscribeAll"]


async def test_only_what_is_the_servers_doing_is_an_error(traced: Traced, receiver: Receiver) -> None:
    async with connected(traced()) as client:
        for request, code, reason in (
            (to("A", event(), exact_version=5), 10, "WRONG_EXPECTED_VERSION"),
            (to("", event()), 3, "INVALID_REQUEST"),
        ):
            trace = Trace()
            with pytest.raises(grpc.aio.AioRpcError):
                await client.store.AppendToStream(request, metadata=trace.metadata)
            span = await one(receiver, CALL + "AppendToStream", trace.id)
            assert (span.status, span.attributes["rpc.grpc.status_code"], span.attributes["mink.reason"]) == (UNSET, code, reason)


async def test_a_deadline_is_an_error_and_a_cancellation_is_none(
    traced: Traced, receiver: Receiver, blocked: Callable[..., Any]
) -> None:
    process = traced()
    async with connected(process) as client, blocked(process):
        late, left = Trace(), Trace()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.store.AppendToStream(to("A", event()), metadata=late.metadata, timeout=0.3)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        call = client.store.AppendToStream(to("A", event()), metadata=left.metadata, timeout=30)
        await asyncio.sleep(0.3)
        call.cancel()
        span = await one(receiver, CALL + "AppendToStream", late.id)
        assert (span.status, span.attributes["rpc.grpc.status_code"]) == (ERROR, 4)
        assert span.attributes["error.type"] == "DEADLINE_EXCEEDED"
        span = await one(receiver, CALL + "AppendToStream", left.id)
        assert (span.status, span.attributes["rpc.grpc.status_code"]) == (UNSET, 1)


async def test_a_database_that_is_away_is_an_error_of_call_batch_and_statement(
    receiver: Receiver, traced: Traced, own_postgres: Any
) -> None:
    process = traced(dsn=own_postgres.dsn, MINK_DATABASE_TIMEOUT="0.5")
    async with connected(process) as client:
        await append(client, Trace(sampled=False))
        own_postgres.halt()
        trace = Trace()
        with pytest.raises(grpc.aio.AioRpcError):
            await append(client, trace)
        call = await one(receiver, CALL + "AppendToStream", trace.id)
        batch = await one(receiver, "mink.append_batch", trace.id)
        assert (call.status, call.attributes["rpc.grpc.status_code"]) == (ERROR, 14)
        assert call.status_text == call.attributes["mink.reason"] == "DATABASE_UNAVAILABLE"
        assert (batch.status, batch.attributes["mink.reason"]) == (ERROR, "DATABASE_UNAVAILABLE")
        assert all(not span.events for span in receiver.spans)
        process.kill()


async def test_traces_go_over_http_as_well(start_server: Traced) -> None:
    with http_receiver() as receiver:
        process = start_server(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address,  # no scheme
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_EXPORTER_OTLP_HEADERS="x-key=secret",
            OTEL_EXPORTER_OTLP_COMPRESSION="none",
            OTEL_BSP_SCHEDULE_DELAY="50",
        )
        async with connected(process) as client:
            trace = Trace()
            await append(client, trace)
            await one(receiver, CALL + "AppendToStream", trace.id)
            assert receiver.headers["x-key"] == "secret"
            assert f"http://{receiver.address}/v1/traces" in process.output
            assert "secret" not in process.output


async def test_an_endpoint_may_have_no_scheme_and_the_resource_a_name(traced: Traced, receiver: Receiver) -> None:
    process = traced(
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address,
        OTEL_EXPORTER_OTLP_HEADERS="x-key=secret",
        OTEL_RESOURCE_ATTRIBUTES="service.name=ignored,deployment.environment=test",
        OTEL_SERVICE_NAME="shop",
    )
    async with connected(process) as client:
        await append(client, trace := Trace())
        span = await one(receiver, CALL + "AppendToStream", trace.id)
        assert (span.resource["service.name"], span.resource["deployment.environment"]) == ("shop", "test")
        assert receiver.headers["x-key"] == "secret"


async def test_the_embedded_database_and_traces_go_together(receiver: Receiver, open_folder: Path) -> None:
    process = MinkProcess(
        MINK_DATA_DIR=str(open_folder / "data"),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.address}",
        OTEL_BSP_SCHEDULE_DELAY="50",
    )
    try:
        process.start()
        async with connected(process) as client:
            await append(client, trace := Trace())
            await one(receiver, CALL + "AppendToStream", trace.id)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.stop()
