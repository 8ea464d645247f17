"""Each apply is a span, for a process that has OpenTelemetry."""

import pytest
from mink_client import tracing
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    used = tracing.Tracing()
    used._tracer = provider.get_tracer("mink_client")
    monkeypatch.setattr(tracing, "_tracing", used)
    return exporter.get_finished_spans


async def test_an_apply_is_a_span_in_which_its_handlers_run(scripted, recorder, working, spans):
    inside = []
    handle = recorder.handle

    async def looks(event):
        inside.append(trace.get_current_span().get_span_context().span_id)
        await handle(event)

    recorder.handle = looks
    async with working(recorder.projection()):
        session = await scripted.session()
        key = session.assign(3, partitions=4)
        session.events(key, 5, 6, 9, position=12)
        await session.until(lambda: "handled" in session.kinds())
        session.progress(key, 20)
        await session.until(lambda: session.kinds().count("handled") == 2)
    (span,) = spans()
    assert span.name == "projection.Orders.apply"
    assert dict(span.attributes) == {
        "projection": "Orders", "partition": 3, "build": 1, "events": 3, "first_position": 5, "last_position": 9,
    }  # fmt: skip
    assert inside == [span.context.span_id] * 3


async def test_a_failed_apply_says_what_kind_of_failure_and_not_its_text(scripted, recorder, working, spans):
    recorder.failing = {1: ValueError("hush")}
    async with working(recorder.projection()):
        session = await scripted.session()
        session.events(session.assign(), 1)
        await session.until(lambda: "faulted" in session.kinds())
    (span,) = spans()
    assert not span.status.is_ok
    assert "hush" not in span.to_json()
