import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { status as Code } from "@grpc/grpc-js";

import type { SubscribeAllRequest } from "../src/gen/mink/v1/event_store_pb.js";
import { ClientClosed, PositionAhead, type Subscription, Unavailable } from "../src/index.js";
import { FakeServer, Refusal, batch, checkpoint, forever, status } from "./fake-server.js";

async function take(subscription: Subscription, count: number): Promise<number[]> {
  const found: number[] = [];
  for await (const event of subscription) {
    found.push(Number(event.position));
    if (found.length === count) {
      break;
    }
  }
  return found;
}

test("a subscription carries on after the last position seen, with the log's id", async () => {
  const requests: SubscribeAllRequest[] = [];
  await using server = await FakeServer.start({
    async *subscribeAll(request, call) {
      requests.push(request);
      if (requests.length === 1) {
        yield checkpoint(0, 9);
        yield batch(1, 2);
        yield checkpoint(5);
        throw new Refusal(Code.UNAVAILABLE);
      }
      if (requests.length === 2) {
        return;
      }
      yield checkpoint(5);
      yield batch(6, 7);
      await forever(call);
    },
  });
  const subscription = server.client().subscribeAll();
  assert.deepEqual(await take(subscription, 4), [1, 2, 6, 7]);
  assert.deepEqual(
    requests.map(({ start, logId }) => [start.value, logId]),
    [
      [0n, ""],
      [5n, "log"],
      [5n, "log"],
    ],
  );
});

test("a subscription says its position, the head, the lag, whether it has caught up, and the log's id", async () => {
  let step = 0;
  await using server = await FakeServer.start({
    async *subscribeAll(_, call) {
      if (server.calls.get("subscribeAll") === 1) {
        yield checkpoint(0, 9);
        yield batch(1, 4);
      } else {
        yield { message: { case: "caughtUp", value: { position: 8n } } };
      }
      await forever(call);
    },
  });
  const subscription = server.client().subscribeAll();
  const about = (): unknown[] => {
    const { position, head, lag, caughtUp, logId } = subscription;
    return [position, head, lag, caughtUp, logId];
  };
  assert.deepEqual(about(), [0n, 0n, 0n, false, ""]);
  for await (const _ of subscription) {
    assert.deepEqual(about(), step === 0 ? [1n, 9n, 8n, false, "log"] : [4n, 9n, 5n, false, "log"]);
    if (++step === 2) {
      break;
    }
  }
  const next = subscription[Symbol.asyncIterator]().next();
  while (!subscription.caughtUp) {
    await sleep(5);
  }
  assert.deepEqual(about(), [8n, 9n, 1n, true, "log"]);
  subscription.close();
  assert.equal((await next).done, true);
});

test("batches are given whole; with idle, also when only the position moved on", async () => {
  await using server = await FakeServer.start({
    async *subscribeAll(_, call) {
      yield checkpoint(0);
      yield batch(1, 2);
      yield checkpoint(9);
      await forever(call);
    },
  });
  const found: [number, bigint][] = [];
  const subscription = server.client().subscribeAll();
  for await (const events of subscription.batches({ idle: true })) {
    found.push([events.length, subscription.position]);
    if (found.length === 3) {
      break;
    }
  }
  assert.deepEqual(found, [
    [0, 0n],
    [2, 2n],
    [0, 9n],
  ]);
});

test("a loop that is left ends the call, and another one goes on with the next event", async () => {
  const requests: SubscribeAllRequest[] = [];
  let ended!: () => void;
  const end = new Promise<void>((resolve) => (ended = resolve));
  await using server = await FakeServer.start({
    async *subscribeAll(request, call) {
      requests.push(request);
      call.onCancel(ended);
      yield batch(...(requests.length === 1 ? [1, 2, 3] : [4, 5]));
      await forever(call);
    },
  });
  const subscription = server.client().subscribeAll();
  assert.deepEqual(await take(subscription, 1), [1]);
  await end;
  assert.equal(subscription.position, 1n);
  assert.deepEqual(await take(subscription, 3), [2, 3, 4]);
  assert.equal(requests[1]?.start.value, 3n);
});

test("when nothing is heard, the subscription connects again", async () => {
  await using server = await FakeServer.start({
    async *subscribeAll(_, call) {
      yield checkpoint(3);
      if (server.calls.get("subscribeAll") === 2) {
        yield batch(4);
      }
      await forever(call);
    },
  });
  const begin = performance.now();
  assert.deepEqual(await take(server.client().subscribeAll({ silenceTimeoutMs: 300 }), 1), [4]);
  assert(performance.now() - begin >= 300);
  assert.equal(server.calls.get("subscribeAll"), 2);
});

test("a server that never answered is given up; one that has is waited for", async () => {
  const server = await FakeServer.start({
    async *subscribeAll(_, call) {
      yield checkpoint(3);
      await forever(call);
    },
  });
  const port = Number(server.address.split(":")[1]);
  const never = server.client();
  const mink = server.client();
  const subscription = mink.subscribeAll({ timeoutMs: 300 });
  const waiting = subscription[Symbol.asyncIterator]().next();
  while (subscription.logId === "") {
    await sleep(5);
  }
  server.stop();
  const begin = performance.now();
  await assert.rejects(take(never.subscribeAll({ timeoutMs: 300 }), 1), Unavailable);
  assert(performance.now() - begin < 1000);
  await sleep(500);
  await using _again = await FakeServer.start(
    {
      async *subscribeAll(_, call) {
        yield batch(4);
        await forever(call);
      },
    },
    { port },
  );
  assert.equal((await waiting).value?.position, 4n);
  await Promise.all([mink.close(), never.close()]);
});

test("another log is final", async () => {
  await using server = await FakeServer.start({
    async *subscribeAll() {
      yield checkpoint(3);
      throw new Refusal(Code.OUT_OF_RANGE, status("POSITION_AHEAD", Code.OUT_OF_RANGE));
    },
  });
  await assert.rejects(take(server.client().subscribeAll(), 1), PositionAhead);
  assert.equal(server.calls.get("subscribeAll"), 1);
});

for (const [name, end, error] of [
  [
    "a signal",
    (_, controller) => {
      controller.abort(new Error("enough"));
    },
    /enough/,
  ],
  ["closing the client", (_, __, mink) => void mink.close(), ClientClosed],
  [
    "closing the subscription",
    (subscription) => {
      subscription.close();
    },
    undefined,
  ],
  ["disposing of the subscription", (subscription) => void subscription[Symbol.asyncDispose](), undefined],
] as [
  string,
  (subscription: Subscription, controller: AbortController, mink: ReturnType<FakeServer["client"]>) => void,
  RegExp | undefined,
][]) {
  for (const when of ["live", "away"] as const) {
    test(`${name} ends a subscription that is ${when}, and its call`, async () => {
      let ended!: () => void;
      const over = new Promise<void>((resolve) => (ended = resolve));
      await using server = await FakeServer.start({
        async *subscribeAll(_, call) {
          call.onCancel(ended);
          yield checkpoint(1);
          if (when === "away") {
            ended();
            throw new Refusal(Code.UNAVAILABLE, status("SHUTTING_DOWN", Code.UNAVAILABLE));
          }
          await forever(call);
        },
      });
      const mink = server.client();
      const controller = new AbortController();
      const subscription = mink.subscribeAll({ signal: controller.signal });
      const taking = take(subscription, 1);
      const result = error === undefined ? taking : assert.rejects(taking, error);
      setTimeout(() => {
        end(subscription, controller, mink);
      }, 200);
      assert.deepEqual(await result, error === undefined ? [] : undefined);
      await over;
      assert.deepEqual(error === undefined ? await take(subscription, 1) : [], []);
    });
  }
}

test("a signal ends a loop also in the middle of a batch", async () => {
  await using server = await FakeServer.start({
    async *subscribeAll(_, call) {
      yield batch(1, 2, 3);
      await forever(call);
    },
  });
  const controller = new AbortController();
  let count = 0;
  await assert.rejects(
    async () => {
      for await (const _ of server.client().subscribeAll({ signal: controller.signal })) {
        count++;
        controller.abort();
      }
    },
    { name: "AbortError" },
  );
  assert.equal(count, 1);
});

test("a subscriber that does not read holds up no other call", async () => {
  await using server = await FakeServer.start({
    async *subscribeAll(_, call) {
      for (let position = 1; position < 400 && !call.cancelled(); position++) {
        const value = "x".repeat(200_000);
        const [event] = [{ position: BigInt(position), payload: { case: "json" as const, value } }];
        yield { message: { case: "events", value: { events: [event], position: BigInt(position) } } };
      }
      await forever(call);
    },
    getStream: ({ stream }) => ({ stream: { stream, version: 1n } }),
  });
  const mink = server.client();
  for await (const event of mink.subscribeAll()) {
    assert.equal(event.position, 1n);
    await sleep(500);
    assert.equal((await mink.getStream("S")).version, 1n);
    break;
  }
});
