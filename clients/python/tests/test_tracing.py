"""Traces: who has one finds it again in calls and in events; who has none pays nothing, and needs nothing installed."""

import asyncio
import contextvars
import gc
import sys
import weakref

import pytest
from google.rpc import error_details_pb2
from mink.v1 import errors_pb2, event_pb2
from mink.v1 import event_store_pb2 as es
from mink_client import ANY, NewEvent, RecordedEvent, StreamAppend, StreamNotFound, WrongExpectedVersion, tracing
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

APPEND = "mink.v1.EventStore/AppendToStream"


class Traces:
    """A provider of the test's own, which the client uses."""

    def __init__(self, monkeypatch, **options):
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")
        used = tracing.Tracing()
        used._tracer = self.provider.get_tracer("mink_client")
        monkeypatch.setattr(tracing, "_tracing", used)

    def named(self, name):
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def traces(monkeypatch):
    return Traces(monkeypatch)


def header(span):
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{int(span.context.trace_flags):02x}"


def event(**metadata):
    return NewEvent("OrderPlaced", {}, metadata=metadata or None)


def metadata(message):
    return dict(message.metadata)


async def test_each_append_is_a_span_of_its_callers_trace_and_its_events_carry_it(mink, server, traces):
    async def caller(name):
        with traces.tracer.start_as_current_span(name) as span:
            await mink.append(name, [event(), event(userId="7")], expected=ANY)
            return span.get_span_context()

    parents = await asyncio.gather(*(caller(f"Order-{i}") for i in range(20)))
    spans = {span.parent.span_id: span for span in traces.named(APPEND)}
    assert len(spans) == 20
    assert len(server.calls) == 1
    assert "traceparent" not in server.calls[0]  # the session is everybody's
    for append in server.appends:
        parent = parents[int(append.to_stream.stream.partition("-")[2])]
        span = spans[parent.span_id]
        assert span.context.trace_id == parent.trace_id
        first, second = append.to_stream.events
        assert metadata(first) == {"traceparent": header(span)}
        assert metadata(second) == {"traceparent": header(span), "userId": "7"}


async def test_what_the_first_caller_had_in_its_context_is_not_kept(mink, eventually):
    class Anything:
        pass

    variable = contextvars.ContextVar("anything")

    async def caller():
        thing = Anything()
        variable.set(thing)
        await mink.append("Order-1", [event()], expected=ANY)
        return weakref.ref(thing)

    thing = await asyncio.create_task(caller())
    await eventually(lambda: gc.collect() >= 0 and thing() is None)


async def test_a_span_says_what_was_called_and_where(mink, server, traces):
    await mink.append("Order-1", [event()], expected=ANY)
    (span,) = traces.named(APPEND)
    assert span.kind is trace.SpanKind.CLIENT
    assert span.parent is None
    assert dict(span.attributes) == {
        "rpc.system": "grpc",
        "rpc.service": "mink.v1.EventStore",
        "rpc.method": "AppendToStream",
        "rpc.grpc.status_code": 0,
        "server.address": "127.0.0.1",
        "server.port": server.port,
    }


async def test_an_event_that_belongs_to_another_trace_keeps_it(mink, server, traces):
    given = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    known = event(**given)
    await mink.append("Order-1", [known, event()], expected=ANY)
    first, second = server.appends[0].to_stream.events
    assert metadata(first) == given
    assert metadata(second)["traceparent"] == header(traces.named(APPEND)[0])
    assert known.metadata == given


async def test_the_events_of_the_caller_stay_as_they_are(mink, traces):
    known = {"userId": "7"}
    mine = NewEvent("T", 1, metadata=known)
    await mink.append("Order-1", [mine], expected=ANY)
    assert mine.metadata is known
    assert known == {"userId": "7"}


async def test_what_is_sent_again_is_the_same(mink, server, fakes, traces):
    seen = []

    async def twice(append):
        seen.append(append.to_stream.SerializeToString())
        if len(seen) == 1:
            return fakes.failure(append, fakes.status("OVERLOADED", fakes.retry(0.01)))
        return fakes.done(append)

    server.on_append = twice
    await mink.append("Order-1", [event()], expected=ANY)
    assert seen[0] == seen[1]
    assert len(traces.named(APPEND)) == 1


async def test_appends_to_several_streams_and_large_ones_carry_the_trace_too(mink, server, traces):
    async def answer(request, context):
        return es.AppendToStreamResponse()

    server.on_unary = answer
    await mink.append_many([StreamAppend("A", [event()], ANY), StreamAppend("B", [event()], ANY)])
    (span,) = traces.named("mink.v1.EventStore/AppendToStreams")
    assert [metadata(part.events[0]) for part in server.appends[0].to_streams.appends] == [{"traceparent": header(span)}] * 2
    await mink.append("Order-1", [NewEvent("T", b"x" * 2**20)], expected=ANY)
    (append,) = traces.named(APPEND)  # also where it is a call of its own
    assert metadata(server.requests[-1].events[0]) == {"traceparent": header(append)}
    assert server.calls[-1]["traceparent"] == header(append)


async def test_the_trace_of_an_append_can_be_left_to_others_to_sample(mink, server, monkeypatch):
    Traces(monkeypatch, sampler=ALWAYS_OFF)
    await mink.append("Order-1", [event()], expected=ANY)
    flags = metadata(server.appends[0].to_stream.events[0])["traceparent"].rpartition("-")[2]
    assert int(flags, 16) & trace.TraceFlags.SAMPLED == 0


async def test_an_append_that_fails_is_a_span_that_failed(mink, server, fakes, traces):
    wrong = errors_pb2.WrongExpectedVersion(
        violations=[errors_pb2.ExpectationViolation(stream="Order-1", exact_version=3, actual_version=4)]
    )

    async def refuse(append):
        return fakes.failure(append, fakes.status("WRONG_EXPECTED_VERSION", wrong))

    server.on_append = refuse
    with pytest.raises(WrongExpectedVersion):
        await mink.append("Order-1", [event()], expected=3)
    (span,) = traces.named(APPEND)
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes["error.type"] == "WRONG_EXPECTED_VERSION"
    assert span.events == ()


async def test_every_attempt_at_a_call_is_a_span_and_carries_it(mink, server, fakes, traces):
    async def second(request, context):
        if len(server.requests) == 1:
            await fakes.abort(context, fakes.status("OVERLOADED", fakes.retry(0.01)))
        return es.GetStreamResponse()

    server.on_unary = second
    with traces.tracer.start_as_current_span("caller") as caller:
        await mink.get_stream("Order-1")
    failed, done = traces.named("mink.v1.EventStore/GetStream")
    assert [call["traceparent"] for call in server.calls] == [header(failed), header(done)]
    assert {span.parent.span_id for span in (failed, done)} == {caller.get_span_context().span_id}
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.attributes["rpc.grpc.status_code"] == 8
    assert done.attributes["rpc.grpc.status_code"] == 0


@pytest.mark.parametrize("end", ["all", "enough", "error"])
async def test_a_reading_is_a_span_until_its_end(mink, server, fakes, traces, end):
    async def stream(request, context):
        for position in (1, 2):
            yield es.ReadStreamResponse(events=[fakes.event(position)])
        if end == "error":
            name = error_details_pb2.ResourceInfo(resource_name="Order-1")
            await fakes.abort(context, fakes.status("STREAM_NOT_FOUND", name))

    server.on_stream = stream
    with traces.tracer.start_as_current_span("caller") as caller:
        events = mink.read_stream("Order-1")
        await anext(events)
        if end == "enough":
            await events.aclose()
        elif end == "error":
            with pytest.raises(StreamNotFound):
                assert [event async for event in events]
        else:
            assert len([event async for event in events]) == 1
    (span,) = traces.named("mink.v1.EventStore/ReadStream")
    assert span.parent.span_id == caller.get_span_context().span_id
    assert server.calls == [{"traceparent": header(span)}]
    assert span.status.is_ok == (end != "error")


async def test_a_subscription_carries_the_trace_and_is_no_span(mink, server, fakes, traces):
    async def stream(request, context):
        yield es.SubscribeAllResponse(events=es.EventBatch(events=[fakes.event(1)], position=1))
        await asyncio.sleep(60)

    server.on_stream = stream
    with traces.tracer.start_as_current_span("caller") as caller:
        async with mink.subscribe_all() as events:
            await anext(aiter(events))
    assert server.calls[0]["traceparent"].split("-")[2] == f"{caller.get_span_context().span_id:016x}"
    assert traces.named("mink.v1.EventStore/SubscribeAll") == []


async def test_baggage_goes_along_with_calls_and_not_into_events(mink, server, monkeypatch):
    async def answer(request, context):
        return es.GetStreamResponse()

    server.on_unary = answer
    monkeypatch.setattr(tracing, "_tracing", tracing.Tracing())
    token = context.attach(baggage.set_baggage("tenant", "Zürich\n7"))
    try:
        await mink.get_stream("Order-1")
        await mink.append("Order-1", [event()], expected=ANY)
    finally:
        context.detach(token)
    assert server.calls[0] == {"baggage": "tenant=Z%C3%BCrich%0A7"}
    assert metadata(server.appends[0].to_stream.events[0]) == {}


async def test_a_header_that_cannot_be_sent_fails_no_call(mink, server, traces, monkeypatch):
    async def answer(request, context):
        return es.GetStreamResponse()

    class Odd:
        @staticmethod
        def inject(carrier):
            carrier.update({"X-Odd": "ü", "X-Line": "a\nb", "X-Even": "yes"})

    server.on_unary = answer
    monkeypatch.setattr(tracing._tracing, "_propagate", Odd)
    await mink.get_stream("Order-1")
    assert server.calls == [{"x-even": "yes"}]


async def test_a_span_of_somebody_elses_provider_is_carried_on_and_left_alone(mink, server, monkeypatch):
    """The provider is not the process's: this client begins no spans, and the caller's are still those to continue."""
    monkeypatch.setattr(tracing, "_tracing", tracing.Tracing())
    tracer = TracerProvider().get_tracer("elsewhere")
    with tracer.start_as_current_span("caller") as caller:
        await mink.append("Order-1", [event()], expected=ANY)
        assert caller.is_recording()
    sent = metadata(server.appends[0].to_stream.events[0])["traceparent"]
    assert sent.split("-")[2] == f"{caller.get_span_context().span_id:016x}"


async def test_without_a_trace_nothing_is_added(mink, server, monkeypatch):
    async def answer(request, context):
        return es.GetStreamResponse()

    server.on_unary = answer
    monkeypatch.setattr(tracing, "_tracing", tracing.Tracing())
    await mink.append("Order-1", [event()], expected=ANY)
    await mink.get_stream("Order-1")
    assert metadata(server.appends[0].to_stream.events[0]) == {}
    assert server.calls == [{}, {}]


# What a worker does with it.


def recorded(**known):
    return RecordedEvent(event_pb2.RecordedEvent(position=1, metadata=known))


def test_a_worker_continues_the_trace_of_the_append(traces):
    state = {"tracestate": "vendor=1"}
    handled = recorded(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", **state)
    with traces.tracer.start_as_current_span("handle", context=tracing.context_of(handled)):
        pass
    (span,) = traces.named("handle")
    assert f"{span.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert span.parent.is_remote
    assert span.parent.trace_state.to_header() == "vendor=1"


@pytest.mark.parametrize("known", [{}, {"traceparent": "nonsense"}, {"traceparent": ""}])
def test_an_event_without_a_trace_leaves_the_worker_in_its_own(traces, known):
    with traces.tracer.start_as_current_span("worker") as worker:
        traces.tracer.start_span("handle", context=tracing.context_of(recorded(**known))).end()
    (span,) = traces.named("handle")
    assert span.parent.span_id == worker.get_span_context().span_id


# Without OpenTelemetry.

PROGRAM = """
import asyncio, sys
{before}
from mink_client import ANY, Mink, NewEvent, tracing

async def main():
    async with Mink(sys.argv[1]) as mink:
        await mink.append("Order-1", [NewEvent("T", 1)], expected=ANY)
        await mink.get_stream("Order-1")
    {after}

asyncio.run(main())
print("fine")
"""
BLOCKED = """
sys.modules["opentelemetry"] = None
"""
REFUSES = """
    try:
        tracing.context_of(NewEvent("T", 1))
    except ImportError as error:
        assert "mink-client[otel]" in str(error), error
    else:
        raise AssertionError
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [(BLOCKED, REFUSES), ("", "assert not any(name.startswith('opentelemetry') for name in sys.modules)")],
    ids=["not installed", "not used"],
)
async def test_who_has_no_traces_needs_and_loads_no_opentelemetry(server, before, after):
    async def answer(request, context):
        return es.GetStreamResponse()

    server.on_unary = answer
    program = PROGRAM.format(before=before, after=after.strip())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, server.target, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert (process.returncode, output) == (0, b"fine\n"), errors.decode()
