import assert from "node:assert/strict";
import { test } from "node:test";

import { status as Code } from "@grpc/grpc-js";

import {
  ClientClosed,
  DeadlineExceeded,
  Overloaded,
  PermissionDenied,
  ShuttingDown,
  Unavailable,
} from "../src/index.js";
import { backoff } from "../src/retry.js";
import { FakeServer, Refusal, forever, retryInfo, status } from "./fake-server.js";

const away = new Refusal(Code.UNAVAILABLE);
const leaving = new Refusal(Code.UNAVAILABLE, status("SHUTTING_DOWN", Code.UNAVAILABLE));

test("pauses grow from 50 ms to 2 s, with jitter, and are never less than the server asks for", () => {
  const away = new Unavailable("UNAVAILABLE", "");
  for (let round = 0; round < 200; round++) {
    for (const [attempts, longest] of [
      [0, 50],
      [1, 100],
      [2, 200],
      [6, 2000],
      [50, 2000],
    ] as const) {
      const pause = backoff(attempts, away);
      assert(pause >= longest / 2 && pause <= longest, `${pause} after ${attempts}`);
    }
    const asked = backoff(0, new Overloaded("", 700));
    assert(asked >= 700 && asked <= 840, `${asked}`);
  }
});

test("a call is made again after a failure that passes, until it succeeds", async () => {
  await using server = await FakeServer.start({
    getStream: ({ stream }) => {
      if ((server.calls.get("getStream") ?? 0) < 3) {
        throw away;
      }
      return { stream: { stream, version: 7n } };
    },
  });
  const found = await server.client().getStream("S");
  assert.equal(found.version, 7n);
  assert.equal(server.calls.get("getStream"), 3);
});

test("a failure that does not pass is told at once", async () => {
  await using server = await FakeServer.start({
    getStream: () => {
      throw new Refusal(Code.PERMISSION_DENIED, status("PERMISSION_DENIED", Code.PERMISSION_DENIED));
    },
  });
  await assert.rejects(server.client().getStream("S"), PermissionDenied);
  assert.equal(server.calls.get("getStream"), 1);
});

test("the last failure is told when the time is over, and DeadlineExceeded if there was none", async () => {
  await using server = await FakeServer.start({
    getStream: () => {
      throw new Refusal(Code.RESOURCE_EXHAUSTED, status("OVERLOADED", Code.RESOURCE_EXHAUSTED, [retryInfo(100)]));
    },
    loadSnapshot: async (_, call) => {
      await forever(call);
      return {};
    },
  });
  const mink = server.client({ timeoutMs: 400 });
  const begin = performance.now();
  await assert.rejects(mink.getStream("S"), (error) => error instanceof Overloaded && error.retryAfterMs === 100);
  assert(performance.now() - begin < 800);
  await assert.rejects(mink.loadSnapshot("S"), DeadlineExceeded);
});

test("a call that removes something is made again only if nothing was done", async () => {
  let first = away;
  await using server = await FakeServer.start({
    deleteStream: () => {
      if (server.calls.get("deleteStream") === 1) {
        throw first;
      }
      return { removed: 1n, version: 1n };
    },
  });
  await assert.rejects(server.client().deleteStream("S", { expected: "ANY" }), Unavailable);
  assert.equal(server.calls.get("deleteStream"), 1);
  server.calls.clear();
  first = leaving;
  assert.deepEqual(await server.client().deleteStream("S", { expected: 3 }), { removed: 1n, version: 1n });
});

test("a signal ends a call under way and a pause between two", async () => {
  await using server = await FakeServer.start({
    getStream: async (_, call) => {
      await forever(call);
      throw away;
    },
    loadSnapshot: () => {
      throw new Refusal(Code.UNAVAILABLE, status("SHUTTING_DOWN", Code.UNAVAILABLE, [retryInfo(3000)]));
    },
  });
  const mink = server.client();
  for (const call of [mink.getStream.bind(mink), mink.loadSnapshot.bind(mink)]) {
    const begin = performance.now();
    const signal = AbortSignal.timeout(150);
    await assert.rejects(call("S", { signal }), { name: "TimeoutError" });
    assert(performance.now() - begin < 1000);
  }
});

test("closing ends a call under way and a pause between two", async () => {
  await using server = await FakeServer.start({
    getStream: async (_, call) => {
      await forever(call);
      throw away;
    },
    loadSnapshot: () => {
      throw leaving;
    },
  });
  const mink = server.client();
  const calls = [mink.getStream("S"), mink.loadSnapshot("S")].map((call) => assert.rejects(call, ClientClosed));
  setTimeout(() => void mink.close(), 100);
  await Promise.all(calls);
  await assert.rejects(mink.getStream("S"), ClientClosed);
});

test("connect tells at once whether somebody is there", async () => {
  const server = await FakeServer.start({});
  const mink = server.client();
  await mink.connect();
  await mink.close();
  const another = server.client();
  server.stop();
  const begin = performance.now();
  await assert.rejects(another.connect(), Unavailable);
  assert(performance.now() - begin < 1000);
  await another.close();
  assert(leaving.status !== undefined && new ShuttingDown("SHUTTING_DOWN", "") instanceof Unavailable);
});
