import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { status as Code } from "@grpc/grpc-js";

import type { AppendSessionRequest, SessionAppend } from "../src/gen/mink/v1/event_store_pb.js";
import {
  ANY,
  ClientClosed,
  DeadlineExceeded,
  InternalError,
  NO_STREAM,
  Overloaded,
  Unavailable,
  WrongExpectedVersion,
  binaryEvent,
  jsonEvent,
} from "../src/index.js";
import { FakeServer, Refusal, type SessionHandler, done, failed, retryInfo, status } from "./fake-server.js";

const EVENT = [jsonEvent("OrderPlaced", { sku: "A-1" })];

/** Keeps the messages that came, and answers each append. */
function answering(messages: AppendSessionRequest[]): SessionHandler {
  return (request, answer) => {
    messages.push(request);
    answer(...request.appends.map((append) => done(append)));
  };
}

test("appends of the same turn travel in one message, and many in few", async () => {
  const messages: AppendSessionRequest[] = [];
  await using server = await FakeServer.start({ appendSession: answering(messages) });
  const mink = server.client();
  await Promise.all(Array.from({ length: 100 }, (_, i) => mink.append(`S-${i}`, EVENT, { expected: ANY })));
  assert.equal(messages.length, 1);
  assert.equal(server.calls.get("appendSession"), 1);
  assert.equal(new Set(messages[0]?.appends.map(({ requestId }) => requestId)).size, 100);
});

test("a message holds at most 256 appends and a mebibyte", async () => {
  const messages: AppendSessionRequest[] = [];
  await using server = await FakeServer.start({ appendSession: answering(messages) });
  const mink = server.client();
  await Promise.all(Array.from({ length: 600 }, (_, i) => mink.append(`S-${i}`, EVENT, { expected: ANY })));
  assert.deepEqual(
    messages.map(({ appends }) => appends.length),
    [256, 256, 88],
  );
  messages.length = 0;
  const large = [binaryEvent("Large", new Uint8Array(400_000))];
  await Promise.all(Array.from({ length: 5 }, (_, i) => mink.append(`L-${i}`, large, { expected: ANY })));
  assert.deepEqual(
    messages.map(({ appends }) => appends.length),
    [2, 2, 1],
  );
});

test("what is sent says the stream, the expectation, the events and the time that is left", async () => {
  const messages: AppendSessionRequest[] = [];
  await using server = await FakeServer.start({ appendSession: answering(messages) });
  const event = jsonEvent("OrderPlaced", { sku: "ä" }, { metadata: { userId: "7" } });
  await server.client({ timeoutMs: 3000 }).append("Order-1", [event], { expected: 9007199254740993n });
  const [append] = messages[0]?.appends ?? [];
  assert(append?.append.case === "toStream");
  assert.equal(append.append.value.stream, "Order-1");
  assert.deepEqual(append.append.value.expectation, { case: "exactVersion", value: 9007199254740993n });
  assert.deepEqual(append.append.value.events[0]?.payload, { case: "json", value: '{"sku":"ä"}' });
  assert.equal(append.append.value.events[0].id, event.id);
  assert.deepEqual(append.append.value.events[0].metadata, { userId: "7" });
  assert.equal(append.timeout?.seconds, 3n);
});

test("results may come in any order, and a failed append fails alone", async () => {
  const wrong = status("STREAM_DELETED", Code.NOT_FOUND);
  await using server = await FakeServer.start({
    appendSession: ({ appends }, answer) => {
      const results = appends.map((append, i) => (i === 1 ? failed(append, wrong) : done(append, BigInt(i + 1))));
      results.reverse().forEach((result) => {
        answer(result);
      });
    },
  });
  const mink = server.client();
  const results = await Promise.allSettled([0, 1, 2].map((i) => mink.append(`S-${i}`, EVENT, { expected: ANY })));
  assert.deepEqual(
    results.map((result) => (result.status === "fulfilled" ? result.value.lastPosition : "failed")),
    [1n, "failed", 3n],
  );
});

test("an append that is refused for a moment is sent again, with the same ids, after the time that the server asks for", async () => {
  const seen: SessionAppend[] = [];
  const times: number[] = [];
  await using server = await FakeServer.start({
    appendSession: ({ appends: [append] }, answer) => {
      assert(append !== undefined);
      seen.push(append);
      times.push(performance.now());
      const overloaded = status("OVERLOADED", Code.RESOURCE_EXHAUSTED, [retryInfo(300)]);
      answer(seen.length === 1 ? failed(append, overloaded) : done(append));
    },
  });
  await server.client().append("S", EVENT, { expected: NO_STREAM });
  assert.equal(seen.length, 2);
  assert.deepEqual(seen[0]?.append, seen[1]?.append);
  const waited = (times[1] ?? 0) - (times[0] ?? 0);
  assert(waited >= 295 && waited < 800, `waited ${waited} ms`);
});

test("an append whose time is over gets the last failure, or DeadlineExceeded if there was none", async () => {
  await using server = await FakeServer.start({ appendSession: () => undefined });
  const mink = server.client({ timeoutMs: 200 });
  await assert.rejects(mink.append("S", EVENT, { expected: ANY }), DeadlineExceeded);
  server.handlers.appendSession = ({ appends }, answer) => {
    answer(...appends.map((append) => failed(append, status("OVERLOADED", Code.RESOURCE_EXHAUSTED))));
  };
  await assert.rejects(mink.append("S", EVENT, { expected: ANY }), Overloaded);
});

test("when the session breaks, what was not answered is sent again, in its order", async () => {
  const streams: string[][] = [];
  await using server = await FakeServer.start({
    appendSession: ({ appends }, answer) => {
      streams.push(appends.map(({ append }) => (append.case === "toStream" ? append.value.stream : "")));
      if (streams.length === 1) {
        const [first] = appends;
        assert(first !== undefined);
        answer(done(first));
        throw new Refusal(Code.UNAVAILABLE);
      }
      answer(...appends.map((append) => done(append)));
    },
  });
  const mink = server.client();
  await Promise.all(["A", "B", "C"].map((stream) => mink.append(stream, EVENT, { expected: ANY })));
  assert.deepEqual(streams, [
    ["A", "B", "C"],
    ["B", "C"],
  ]);
});

test("when the session fails for good, everybody is told", async () => {
  await using server = await FakeServer.start({
    appendSession: () => {
      throw new Refusal(Code.INTERNAL, status("INTERNAL", Code.INTERNAL));
    },
  });
  const mink = server.client();
  const results = await Promise.allSettled(["A", "B"].map((stream) => mink.append(stream, EVENT, { expected: ANY })));
  assert(results.every((result) => result.status === "rejected" && result.reason instanceof InternalError));
});

test("a server that is away fails an append when its time is over", async () => {
  const server = await FakeServer.start({});
  const mink = server.client({ timeoutMs: 400 });
  server.stop();
  const begin = performance.now();
  await assert.rejects(mink.append("S", EVENT, { expected: ANY }), Unavailable);
  const took = performance.now() - begin;
  assert(took > 350 && took < 1000, `took ${took} ms`);
  await mink.close();
});

test("a server that comes back is found again, and the append is made", async () => {
  const first = await FakeServer.start({});
  const port = Number(first.address.split(":")[1]);
  const mink = first.client();
  first.stop();
  const append = mink.append("S", EVENT, { expected: ANY });
  await sleep(300);
  await using _second = await FakeServer.start({ appendSession: answering([]) }, { port });
  assert.equal((await append).version, 1n);
  await mink.close();
});

test("a signal ends the wait, and what was not sent is not sent", async () => {
  const messages: AppendSessionRequest[] = [];
  await using server = await FakeServer.start({ appendSession: (request) => void messages.push(request) });
  const mink = server.client();
  const reason = new Error("enough");
  const sent = new AbortController();
  const waiting = mink.append("sent", EVENT, { expected: ANY, signal: sent.signal });
  setTimeout(() => {
    sent.abort(reason);
  }, 100);
  await assert.rejects(waiting, reason);
  const unsent = new AbortController();
  const dropped = mink.append("dropped", EVENT, { expected: ANY, signal: unsent.signal });
  unsent.abort(reason);
  await assert.rejects(dropped, reason);
  await assert.rejects(mink.append("late", EVENT, { expected: ANY, signal: AbortSignal.abort(reason) }), reason);
  await sleep(50);
  assert.equal(messages.length, 1);
  // Closing does not wait for what nobody waits for.
  const begin = performance.now();
  await mink.close();
  assert(performance.now() - begin < 2000);
});

test("closing waits for appends under way, and refuses new ones", async () => {
  await using server = await FakeServer.start({
    appendSession: async ({ appends }, answer) => {
      await sleep(200);
      answer(...appends.map((append) => done(append)));
    },
  });
  const mink = server.client();
  const append = mink.append("S", EVENT, { expected: ANY });
  await sleep(50);
  const closing = mink.close();
  await assert.rejects(mink.append("S", EVENT, { expected: ANY }), ClientClosed);
  assert.equal((await append).version, 1n);
  await closing;
});

test("a large append goes by a call of its own", async () => {
  let bytes = 0;
  await using server = await FakeServer.start({
    appendToStream: ({ stream, events }) => {
      const [event] = events;
      bytes = event?.payload.case === "binary" ? event.payload.value.length : 0;
      assert.equal(stream, "Large");
      return { version: 1n, firstPosition: 5n, lastPosition: 5n, replayed: true };
    },
    appendToStreams: ({ appends }) => ({
      streams: appends.map(({ stream }) => ({ stream, version: 3n })),
      lastPosition: 9n,
    }),
  });
  const mink = server.client();
  const large = [binaryEvent("Large", new Uint8Array(1_100_000))];
  const done = await mink.append("Large", large, { expected: ANY });
  assert.deepEqual(done, { version: 1n, firstPosition: 5n, lastPosition: 5n, replayed: true });
  assert.equal(bytes, 1_100_000);
  const many = await mink.appendMany([{ stream: "A", events: large, expected: ANY }]);
  assert.deepEqual(many.streams, [{ stream: "A", version: 3n, firstPosition: 0n, lastPosition: 0n }]);
  assert.equal(server.calls.get("appendSession"), undefined);
});

test("a failure has its type and data", async () => {
  const { WrongExpectedVersionSchema } = await import("../src/gen/mink/v1/errors_pb.js");
  const { create } = await import("@bufbuild/protobuf");
  const detail = create(WrongExpectedVersionSchema, {
    violations: [{ stream: "S", expectation: { case: "exactVersion", value: 7n }, actualVersion: 2n }],
  });
  const wrong = status("WRONG_EXPECTED_VERSION", Code.ABORTED, [{ schema: WrongExpectedVersionSchema, value: detail }]);
  await using server = await FakeServer.start({
    appendSession: ({ appends }, answer) => {
      answer(...appends.map((append) => failed(append, wrong)));
    },
  });
  await assert.rejects(server.client().append("S", EVENT, { expected: 7 }), (error) => {
    assert(error instanceof WrongExpectedVersion);
    assert.equal(error.stream, "S");
    assert.equal(error.expected, 7n);
    assert.equal(error.actual, 2n);
    return true;
  });
});

test("an argument that cannot be sent is told by its name, and nothing is sent", async () => {
  await using server = await FakeServer.start({});
  const mink = server.client();
  const wrong: [unknown[], RegExp][] = [
    [["S", EVENT, {}], /^TypeError: expected: a version/],
    [["S", EVENT], /^TypeError: expected: a version/],
    [["S", EVENT, { expected: -1 }], /^RangeError: expected: /],
    [["S", EVENT, { expected: 1.5 }], /^RangeError: expected: /],
    [["S", EVENT, { expected: 2n ** 63n }], /^RangeError: expected: /],
    [["S", EVENT, { expected: "SOME" }], /^TypeError: expected: .*"SOME"/],
    [[7, EVENT, { expected: ANY }], /^TypeError: stream: text/],
    [["\ud800", EVENT, { expected: ANY }], /^RangeError: stream: .*surrogate/],
    [["S", "no list", { expected: ANY }], /^TypeError: events: a list/],
    [["S", [undefined], { expected: ANY }], /^TypeError: events\[0\]: a NewEvent/],
    [["S", [{ ...EVENT[0], type: 7 }], { expected: ANY }], /^TypeError: events\[0\]\.type/],
    [["S", [{ ...EVENT[0], data: 7 }], { expected: ANY }], /^TypeError: events\[0\]\.data/],
    [["S", [{ ...EVENT[0], metadata: { a: 7 } }], { expected: ANY }], /^TypeError: events\[0\]\.metadata\["a"\]/],
    [["S", EVENT, { expected: ANY, timeoutMs: 0 }], /^RangeError: timeoutMs/],
  ];
  for (const [given, message] of wrong) {
    await assert.rejects(
      () => mink.append(...(given as Parameters<typeof mink.append>)),
      (error) => {
        assert.match(String(error), message);
        return true;
      },
    );
  }
  await assert.rejects(mink.appendMany([undefined as never]), /appends\[0\]\.stream/);
  assert.equal(server.calls.size, 0);
});
