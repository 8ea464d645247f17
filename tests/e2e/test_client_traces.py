"""A trace that begins in a program, goes through a real server, and is carried on by a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid

PROGRAM = """
import asyncio, json, sys

from mink_client import ANY, Mink, NewEvent
from mink_client.tracing import context_of
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
server, stream = sys.argv[1:]


async def main():
    async with Mink(server) as mink:
        early = trace.get_tracer("early")
        with early.start_as_current_span("order"):
            await mink.append(stream, [NewEvent("OrderPlaced", {})], expected=ANY)  # before there is a provider
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        tracer = trace.get_tracer("test")
        with tracer.start_as_current_span("order"):
            await mink.append(stream, [NewEvent("OrderPlaced", {}), NewEvent("OrderPaid", {})], expected=ANY)
        async with mink.subscribe_all(streams=[stream]) as events:
            async for event in events:
                with tracer.start_as_current_span("handle", context=context_of(event)):
                    pass
                if event.version == 3:
                    break


asyncio.run(main())
for span in exporter.get_finished_spans():
    print(json.dumps({
        "name": span.name, "trace": span.context.trace_id, "id": span.context.span_id, "parent": span.parent and span.parent.span_id
    }))
"""


def test_a_worker_continues_the_trace_of_whoever_appended(server):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, server.grpc_address, f"Traced{uuid.uuid4().hex}-1"],
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    assert done.returncode == 0, done.stderr.decode()
    spans = [json.loads(line) for line in done.stdout.splitlines()]
    (order,) = [span for span in spans if span["name"] == "order"]
    (append,) = [span for span in spans if span["name"] == "mink.v1.EventStore/AppendToStream"]
    untraced, *handled = [span for span in spans if span["name"] == "handle"]
    assert untraced["parent"] is None
    assert append["parent"] == order["id"]
    assert [span["parent"] for span in handled] == [append["id"]] * 2
    assert {span["trace"] for span in (append, *handled)} == {order["trace"]}
