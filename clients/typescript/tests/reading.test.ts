import assert from "node:assert/strict";
import { test } from "node:test";

import { status as Code } from "@grpc/grpc-js";

import type { ReadAllRequest, ReadStreamRequest } from "../src/gen/mink/v1/event_store_pb.js";
import {
  ClientClosed,
  DeadlineExceeded,
  type RecordedEvent,
  StreamNotFound,
  Unavailable,
  type Reading,
} from "../src/index.js";
import { FakeServer, Refusal, events, forever, status } from "./fake-server.js";

async function versions(reading: Reading): Promise<number[]> {
  const found: number[] = [];
  for await (const event of reading) {
    found.push(Number(event.version));
  }
  return found;
}

test("a reading carries on after the last event seen, with what is left of its limit", async () => {
  const requests: ReadStreamRequest[] = [];
  await using server = await FakeServer.start({
    async *readStream(request) {
      requests.push(request);
      if (requests.length === 1) {
        yield { events: events(1, 2) };
        throw new Refusal(Code.UNAVAILABLE);
      }
      yield { events: events(3, 4) };
      yield { events: events(5) };
    },
  });
  assert.deepEqual(await versions(server.client().readStream("S", { limit: 5 })), [1, 2, 3, 4, 5]);
  assert.deepEqual(
    requests.map(({ fromVersion, limit }) => [fromVersion, limit]),
    [
      [0n, 5n],
      [3n, 3n],
    ],
  );
});

test("a reading backwards that breaks after version 1 is over", async () => {
  const requests: ReadStreamRequest[] = [];
  await using server = await FakeServer.start({
    async *readStream(request) {
      requests.push(request);
      yield { events: events(...(requests.length === 1 ? [3, 2] : [1])) };
      throw new Refusal(Code.UNAVAILABLE);
    },
  });
  assert.deepEqual(await versions(server.client().readStream("S", { backwards: true })), [3, 2, 1]);
  assert.deepEqual(
    requests.map(({ fromVersion }) => fromVersion),
    [0n, 1n],
  );
});

test("the log is read to the head that it had when the reading began", async () => {
  const requests: ReadAllRequest[] = [];
  await using server = await FakeServer.start({
    async *readAll(request) {
      requests.push(request);
      if (requests.length === 1) {
        yield { events: events(1, 2), position: 2n, head: 4n };
        throw new Refusal(Code.UNAVAILABLE);
      }
      yield { events: events(3, 4, 5), position: 5n, head: 9n };
      throw new Refusal(Code.UNAVAILABLE);
    },
  });
  const reading = server.client().readAll({ categories: ["Order"], types: ["T"] });
  assert.deepEqual(await versions(reading), [1, 2, 3, 4]);
  assert.equal(requests.length, 2);
  assert.equal(requests[1]?.afterPosition, 2n);
  assert.deepEqual(requests[1].filter?.categories, ["Order"]);
});

test("a reading can be iterated again, and reads anew", async () => {
  await using server = await FakeServer.start({
    async *readStream() {
      yield { events: events(1, 2) };
    },
  });
  const reading = server.client().readStream("S");
  assert.deepEqual(await versions(reading), [1, 2]);
  assert.deepEqual(await versions(reading), [1, 2]);
  assert.equal(server.calls.get("readStream"), 2);
});

test("batches are as the server sends them, none empty", async () => {
  await using server = await FakeServer.start({
    async *readStream() {
      yield { events: events(1, 2) };
      yield { events: [] };
      yield { events: events(3) };
    },
  });
  const found: bigint[][] = [];
  for await (const batch of server.client().readStream("S").batches()) {
    found.push(batch.map(({ version }) => version));
  }
  assert.deepEqual(found, [[1n, 2n], [3n]]);
});

for (const how of ["break", "batches", "throw", "signal"] as const) {
  test(`an iteration that is left early ends its call: ${how}`, async () => {
    let ended!: () => void;
    const end = new Promise<void>((resolve) => (ended = resolve));
    await using server = await FakeServer.start({
      async *readAll(_, call) {
        call.onCancel(ended);
        yield { events: events(1, 2, 3), position: 3n, head: 100n };
        await forever(call);
      },
    });
    const controller = new AbortController();
    const reading = server.client().readAll({ signal: controller.signal });
    const reason = new Error("enough");
    let count = 0;
    const read = async (): Promise<void> => {
      for await (const _ of how === "batches" ? reading.batches() : reading) {
        count++;
        if (how === "signal") {
          controller.abort(reason);
        } else if (how === "throw") {
          throw reason;
        } else {
          break;
        }
      }
    };
    await (how === "signal" || how === "throw" ? assert.rejects(read(), reason) : read());
    assert.equal(count, 1);
    await end;
  });
}

test("a reading waits for each message, and not for the whole", async () => {
  await using server = await FakeServer.start({
    async *readStream(_, call) {
      for (let version = 1; version <= 4; version++) {
        yield { events: events(version) };
        await new Promise((resolve) => setTimeout(resolve, 120));
      }
      await forever(call);
    },
  });
  const found: number[] = [];
  const read = async (): Promise<void> => {
    for await (const event of server.client().readStream("S", { timeoutMs: 300 })) {
      found.push(Number(event.version));
    }
  };
  await assert.rejects(read(), DeadlineExceeded);
  assert.deepEqual(found, [1, 2, 3, 4]);
});

test("what cannot succeed is told at once; what came before it is given first", async () => {
  await using server = await FakeServer.start({
    async *readStream() {
      yield { events: events(1) };
      throw new Refusal(Code.NOT_FOUND, status("STREAM_NOT_FOUND", Code.NOT_FOUND));
    },
  });
  const iterator = server.client().readStream("S")[Symbol.asyncIterator]();
  assert.equal(((await iterator.next()) as IteratorYieldResult<RecordedEvent>).value.version, 1n);
  await assert.rejects(iterator.next(), StreamNotFound);
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
});

test("several events may be asked for at once", async () => {
  await using server = await FakeServer.start({
    async *readStream() {
      yield { events: events(1) };
      yield { events: events(2, 3) };
    },
  });
  const iterator = server.client().readStream("S")[Symbol.asyncIterator]();
  const found = await Promise.all([1, 2, 3, 4].map(() => iterator.next()));
  assert.deepEqual(
    found.map((one) => (one.done ? undefined : one.value.version)),
    [1n, 2n, 3n, undefined],
  );
});

test("load gives the snapshot and what follows it, also when the call breaks in between", async () => {
  const requests: ReadStreamRequest[] = [];
  await using server = await FakeServer.start({
    async *readStream(request) {
      requests.push(request);
      if (requests.length === 1) {
        const state = { case: "json" as const, value: '{"n": 1.0}' };
        yield { snapshot: { stream: "S", version: 7n, state, metadata: { a: "b" } }, events: [] };
        throw new Refusal(Code.UNAVAILABLE);
      }
      yield { events: events(8, 9) };
    },
  });
  const { snapshot, events: tail } = await server.client().load("S");
  assert(snapshot !== undefined);
  assert.equal(snapshot.version, 7n);
  assert.equal(snapshot.text, '{"n": 1.0}');
  assert.deepEqual(snapshot.json(), { n: 1 });
  assert.deepEqual(snapshot.metadata, { a: "b" });
  assert.deepEqual(
    tail.map(({ version }) => version),
    [8n, 9n],
  );
  assert.deepEqual(
    requests.map(({ sinceSnapshot, fromVersion }) => [sinceSnapshot, fromVersion]),
    [
      [true, 0n],
      [false, 8n],
    ],
  );
});

test("a server that is away ends a reading when its time is over, and closing ends it at once", async () => {
  const server = await FakeServer.start({});
  const mink = server.client();
  server.stop();
  await assert.rejects(versions(mink.readStream("S", { timeoutMs: 200 })), Unavailable);
  const reading = assert.rejects(versions(mink.readStream("S")), ClientClosed);
  setTimeout(() => void mink.close(), 100);
  await reading;
});

test("arguments that cannot be are told before anything is sent", async () => {
  await using server = await FakeServer.start({});
  const mink = server.client();
  assert.throws(() => mink.readAll({ after: 1, backwards: true }), /^TypeError: after/);
  assert.throws(() => mink.readAll({ before: 1 }), /^TypeError: before/);
  assert.throws(() => mink.readAll({ types: "T" as never }), /^TypeError: types: a list/);
  assert.throws(() => mink.readAll({ limit: -1 }), /^RangeError: limit/);
  assert.throws(() => mink.readAll({ after: 2 ** 60 }), /^RangeError: after/);
  assert.throws(() => mink.readStream(7 as never), /^TypeError: stream/);
  assert.throws(() => mink.subscribeAll({ after: 1, fromEnd: true }), /^TypeError: after, fromEnd/);
  assert.equal(server.calls.size, 0);
});
