/** What a program gives by mistake, and whom it reaches by mistake, is told in words that help. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createSocket } from "node:net";
import { test } from "node:test";

import { status as Code } from "@grpc/grpc-js";

import {
  ANY,
  DeadlineExceeded,
  Mink,
  type MinkOptions,
  MinkError,
  RequestTooLarge,
  binaryEvent,
  jsonEvent,
} from "../src/index.js";
import { milliseconds } from "../src/numbers.js";
import { FakeServer, Refusal, batch, done, events, forever } from "./fake-server.js";

const EVENT = [jsonEvent("T", 1)];

test("a wrong argument is named, and nothing is sent", async () => {
  const mink = new Mink("127.0.0.1:1");
  // What a program without types can do.
  const any = mink as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const iterated = (name: string, ...args: unknown[]): Promise<unknown> =>
    Promise.resolve().then(() => any[name]?.(...args));
  for (const [does, message] of [
    [() => any["saveSnapshot"]?.("S"), "version: a bigint or a number, not undefined"],
    [() => any["truncateStream"]?.("S"), "beforeVersion: a bigint or a number, not undefined"],
    [() => any["deleteStream"]?.("S"), /^expected: .* not undefined$/],
    [() => any["append"]?.("S", EVENT), /^expected: .* not undefined$/],
    [() => any["append"]?.("S", EVENT, ANY), "options: an object, not string"],
    [() => any["getStream"]?.("S", null), "options: an object, not null"],
    [() => iterated("readStream", "S", null), "options: an object, not null"],
    [() => any["getStream"]?.("S", { signal: "x" }), "signal: an AbortSignal, not string"],
    [() => any["append"]?.("S", EVENT, { expected: ANY, signal: new AbortController() }), /^signal: .* not object$/],
    [() => any["appendMany"]?.([{ stream: "S", events: EVENT }]), /^appends\[0\]\.expected: .* not undefined$/],
    [
      () => any["append"]?.("S", [{ ...EVENT[0], data: {} }], { expected: ANY }),
      "events[0].data: JSON text (string) or a Uint8Array, not object",
    ],
    [() => any["saveSnapshot"]?.("S", { version: 1, state: 1, json: "1" }), "state, json: one of the two"],
    [() => iterated("subscribeAll", { category: ["A"] }), /^category: there is no such option; .*categories/],
    [() => iterated("readAll", { fromEnd: true }), /^fromEnd: there is no such option/],
  ] as const) {
    await assert.rejects(Promise.resolve(does()), { name: "TypeError", message });
  }
  assert.throws(() => new Mink("localhost:1", null as never), { message: "options: an object, not null" });
  assert.throws(() => new Mink("localhost:1", { logger: {} } as MinkOptions), /^TypeError: logger: .*warn and info/);
  await mink.close();
});

test("a payload that has no JSON form is told with its event, in one line", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  for (const [payload, message] of [
    [{ a: { price: 10n } }, /^payload of "Placed": "price" is a bigint, .*String/],
    [1n, /^payload of "Placed": it is a bigint/],
    [circle, /^payload of "Placed": .*circular.*$/],
    [new Uint8Array(2), /^payload of "Placed": .*use binaryEvent$/],
    [Buffer.from("a"), /use binaryEvent$/],
  ] as const) {
    assert.throws(() => jsonEvent("Placed", payload), { name: "TypeError", message });
  }
});

test("times have a bound that all timers bear, and no end is that bound", async () => {
  const longest = milliseconds("timeoutMs", Infinity);
  assert(longest < 2 ** 31 - 1000 && longest > 2e9);
  assert.equal(milliseconds("timeoutMs", Number.MAX_SAFE_INTEGER), longest);
  for (const wrong of [NaN, -1, 0, -Infinity, "5" as never]) {
    assert.throws(() => milliseconds("timeoutMs", wrong), RangeError);
  }
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listener);
  await using server = await FakeServer.start({
    appendSession: ({ appends }, answer) => {
      answer(...appends.map((append) => done(append)));
    },
    getStream: ({ stream }) => ({ stream: { stream } }),
    async *subscribeAll(_, call) {
      yield batch(1);
      await forever(call);
    },
  });
  for (const timeoutMs of [Infinity, 1e300, Number.MAX_SAFE_INTEGER, 2 ** 31]) {
    const mink = server.client({ timeoutMs });
    await mink.connect();
    await mink.append("S", EVENT, { expected: ANY });
    await mink.getStream("S");
    for await (const event of mink.subscribeAll({ silenceTimeoutMs: timeoutMs })) {
      assert.equal(event.position, 1n);
      break;
    }
  }
  await new Promise(setImmediate);
  process.off("warning", listener);
  assert.deepEqual(warnings, []);
});

test("hundreds of calls share a signal, which hears one listener", async () => {
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listener);
  await using server = await FakeServer.start({
    appendSession: () => undefined,
    getStream: async (_, call) => {
      await forever(call);
      return {};
    },
  });
  const mink = server.client();
  const control = new AbortController();
  const { signal } = control;
  const reason = new Error("enough");
  const calls = Array.from({ length: 50 }, () => [
    assert.rejects(mink.append("S", EVENT, { expected: ANY, signal }), reason),
    assert.rejects(mink.getStream("S", { signal }), reason),
  ]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  control.abort(reason);
  await Promise.all(calls.flat());
  process.off("warning", listener);
  assert.deepEqual(warnings, []);
});

test("a loop over batches that is left while it waits ends at once, and its call with it", async () => {
  const ended: string[] = [];
  await using server = await FakeServer.start({
    async *subscribeAll(_, call) {
      yield batch(1);
      await forever(call);
      ended.push("subscribeAll");
    },
    async *readStream(_, call) {
      yield { events: events(1), streamVersion: 2n };
      await forever(call);
      ended.push("readStream");
    },
  });
  const mink = server.client();
  const subscription = mink.subscribeAll();
  for (const loop of [
    subscription.batches(),
    mink.readStream("S").batches(),
    mink.readStream("S")[Symbol.asyncIterator](),
  ]) {
    await loop.next();
    const next = loop.next();
    const begin = performance.now();
    assert.deepEqual(await loop.return?.(), { done: true, value: undefined });
    assert.deepEqual(await next, { done: true, value: undefined });
    assert(performance.now() - begin < 500);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(ended.sort(), ["readStream", "readStream", "subscribeAll"]);
  assert.equal(server.calls.get("readStream"), 2);
});

test("an append session without appends ends, and the next append opens another", { timeout: 20_000 }, async () => {
  await using server = await FakeServer.start({
    appendSession: ({ appends }, answer) => {
      answer(...appends.map((append) => done(append)));
    },
  });
  const mink = server.client();
  await mink.append("S", EVENT, { expected: ANY });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await mink.append("S", EVENT, { expected: ANY });
  assert.equal(server.calls.get("appendSession"), 1);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await mink.append("S", EVENT, { expected: ANY });
  assert.equal(server.calls.get("appendSession"), 2);
});

test("what gRPC itself refuses as too large is RequestTooLarge, with the size and no limit", async () => {
  const refuse = (): never => {
    throw new Refusal(Code.RESOURCE_EXHAUSTED);
  };
  await using server = await FakeServer.start({ appendToStream: refuse, saveSnapshot: refuse, getStream: refuse });
  const mink = server.client();
  const large = new Uint8Array(2_000_000);
  for (const call of [
    () => mink.append("S", [binaryEvent("T", large)], { expected: ANY }),
    () => mink.saveSnapshot("S", { version: 1, state: large }),
  ]) {
    await assert.rejects(call(), (error) => {
      assert(error instanceof RequestTooLarge);
      assert(error.size > 2_000_000 && error.size < 2_001_000 && error.limit === 0);
      assert.equal(error.reason, "RESOURCE_EXHAUSTED");
      return true;
    });
  }
  await assert.rejects(mink.getStream("S"), (error) => error instanceof MinkError && error.constructor === MinkError);
});

test("what is no Mink is told with its address and with advice, in one line", async () => {
  const other = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
  const silent = createSocket((socket) => socket.unref()).listen(0, "127.0.0.1");
  await using server = await FakeServer.start({});
  await assert.rejects(server.client().getStream("S"), (error) => {
    assert(error instanceof MinkError && error.reason === "UNIMPLEMENTED");
    assert(error.message.startsWith(`what answers at ${server.address} is no Mink`), error.message);
    return true;
  });
  const of = (server: { address(): unknown }): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [address, tls, advice] of [
    [of(other), false, /does not speak gRPC in clear: it may be the port of Mink's HTTP/],
    [of(other), true, /the server does not speak TLS/],
    ["127.0.0.1:1", false, /ECONNREFUSED 127\.0\.0\.1:1$/],
  ] as const) {
    await using mink = new Mink(address, { tls });
    await assert.rejects(mink.connect(), ({ message }: Error) => {
      assert.match(message, advice);
      assert.doesNotMatch(message, /\n|Resolution note/);
      return true;
    });
  }
  await using mink = new Mink(of(silent), { timeoutMs: 300 });
  await assert.rejects(mink.getStream("S"), DeadlineExceeded);
  await assert.rejects(mink.subscribeAll()[Symbol.asyncIterator]().next(), DeadlineExceeded);
  other.close();
  silent.unref().close();
});
