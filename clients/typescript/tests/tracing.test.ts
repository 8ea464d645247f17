import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { status as Code } from "@grpc/grpc-js";

import { binaryEvent, jsonEvent } from "../src/index.js";
import { contextOf } from "../src/trace-context.js";
import { FakeServer, Refusal, batch, done, failed, forever, status } from "./fake-server.js";

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer("test");

before(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
});
after(() => {
  trace.disable();
  context.disable();
});
beforeEach(() => {
  exporter.reset();
});

async function within<T>(does: (span: Span) => Promise<T>): Promise<T> {
  return tracer.startActiveSpan("caller", async (span) => {
    try {
      return await does(span);
    } finally {
      span.end();
    }
  });
}

function spans(): ReturnType<InMemorySpanExporter["getFinishedSpans"]> {
  return exporter.getFinishedSpans().filter(({ name }) => name !== "caller");
}

test("a call is a client span of the caller's trace, and its context goes along", async () => {
  let traceparent: unknown;
  await using server = await FakeServer.start({
    getStream: ({ stream }, call) => {
      [traceparent] = call.headers.get("traceparent");
      return { stream: { stream } };
    },
  });
  const mink = server.client();
  const traceId = await within(async (span) => {
    await mink.getStream("S");
    return span.spanContext().traceId;
  });
  const [span] = spans();
  assert(span !== undefined);
  assert.equal(span.name, "mink.v1.EventStore/GetStream");
  assert.equal(span.kind, SpanKind.CLIENT);
  assert.equal(span.spanContext().traceId, traceId);
  assert.equal(traceparent, `00-${traceId}-${span.spanContext().spanId}-01`);
  assert.deepEqual(span.attributes, {
    "rpc.system": "grpc",
    "rpc.service": "mink.v1.EventStore",
    "rpc.method": "GetStream",
    "rpc.grpc.status_code": 0,
    "server.address": "localhost",
    "server.port": Number(server.address.split(":")[1]),
  });
});

test("a failed call says its reason and its code, and no words", async () => {
  await using server = await FakeServer.start({
    getStream: () => {
      throw new Refusal(Code.NOT_FOUND, status("STREAM_NOT_FOUND", Code.NOT_FOUND));
    },
  });
  await assert.rejects(server.client().getStream("S"));
  const [span] = spans();
  assert.deepEqual(span?.status, { code: SpanStatusCode.ERROR, message: "STREAM_NOT_FOUND" });
  assert.equal(span.attributes["error.type"], "STREAM_NOT_FOUND");
  assert.equal(span.attributes["rpc.grpc.status_code"], Code.NOT_FOUND);
  assert.deepEqual(span.events, []);
});

test("an append is one span, however often it is sent, and its context is in its events", async () => {
  const found: Record<string, string>[][] = [];
  const headers: unknown[] = [];
  await using server = await FakeServer.start({
    appendSession: ({ appends }, answer, call) => {
      headers.push(call.headers.get("traceparent"));
      for (const append of appends) {
        assert(append.append.case === "toStream");
        found.push(append.append.value.events.map(({ metadata }) => ({ ...metadata })));
        answer(found.length === 1 ? failed(append, status("OVERLOADED", Code.RESOURCE_EXHAUSTED)) : done(append));
      }
    },
  });
  const mink = server.client();
  const own = { traceparent: "00-own" };
  const { traceId } = await within(async (span) => {
    await mink.append("S", [jsonEvent("T", 1), jsonEvent("T", 2, { metadata: own })], { expected: "ANY" });
    return span.spanContext();
  });
  const [span] = spans();
  assert.equal(spans().length, 1);
  assert.equal(span?.name, "mink.v1.EventStore/AppendToStream");
  const expected = [{ traceparent: `00-${traceId}-${span.spanContext().spanId}-01` }, own];
  assert.deepEqual(found, [expected, expected]);
  // The session is shared: it carries nobody's trace.
  assert.deepEqual(headers, [[], []]);
});

test("a large append is one span as well", async () => {
  let header: unknown;
  await using server = await FakeServer.start({
    appendToStream: (_, call) => {
      [header] = call.headers.get("traceparent");
      return { version: 1n };
    },
  });
  await server.client().append("S", [binaryEvent("T", new Uint8Array(1_100_000))], { expected: "ANY" });
  const [span] = spans();
  assert.equal(spans().length, 1);
  assert.equal(header, `00-${span?.spanContext().traceId}-${span?.spanContext().spanId}-01`);
});

test("a reading is one span, which ends with it; a subscription is none", async () => {
  await using server = await FakeServer.start({
    async *readStream(_, call) {
      yield { events: [{ position: 1n }, { position: 2n }] };
      await forever(call);
    },
    async *subscribeAll(_, call) {
      yield batch(1);
      await forever(call);
    },
  });
  const mink = server.client();
  for await (const _ of mink.readStream("S")) {
    assert.equal(spans().length, 0);
    break;
  }
  for await (const _ of mink.subscribeAll()) {
    break;
  }
  const [span] = spans();
  assert.equal(spans().length, 1);
  assert.equal(span?.name, "mink.v1.EventStore/ReadStream");
  assert.equal(span.status.code, SpanStatusCode.UNSET);
});

test("whoever handles an event gets the context of its append back", () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const found = trace.getSpanContext(contextOf({ metadata: { traceparent, tracestate: "a=b" } }));
  assert.equal(found?.traceId, "4bf92f3577b34da6a3ce929d0e0e4736");
  assert.equal(found.spanId, "00f067aa0ba902b7");
  assert.equal(found.traceFlags, 1);
  assert.equal(found.traceState?.get("a"), "b");
  for (const damaged of [{}, { traceparent: "no" }, { traceparent: `ff${traceparent.slice(2)}` }]) {
    assert.equal(trace.getSpanContext(contextOf({ metadata: damaged })), undefined);
  }
  assert.equal(contextOf({ metadata: {} }), ROOT_CONTEXT);
});
