/** Measures the client against a server that is there: what `make bench` compares. `bench/run append …`, `bench/run catch-up …`. */

import { parseArgs } from "node:util";

import { Mink, NO_STREAM, binaryEvent, uuid7 } from "../src/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string" },
    callers: { type: "string", default: "64" },
    warmup: { type: "string", default: "1" },
    seconds: { type: "string", default: "4" },
    bytes: { type: "string", default: "256" },
    events: { type: "string", default: "100000" },
  },
});

async function append(mink: Mink): Promise<object> {
  const bytes = new Uint8Array(Number(values.bytes));
  const run = uuid7();
  const begin = performance.now() + Number(values.warmup) * 1000;
  const end = begin + Number(values.seconds) * 1000;
  const took: number[] = [];
  await Promise.all(
    Array.from({ length: Number(values.callers) }, async (_, caller) => {
      for (let number = 0; ; number++) {
        const sent = performance.now();
        if (sent >= end) {
          return;
        }
        await mink.append(`Bench-${run}-${caller}-${number}`, [binaryEvent("Measured", bytes)], {
          expected: NO_STREAM,
        });
        const answered = performance.now();
        if (answered >= begin && answered < end) {
          took.push(answered - sent);
        }
      }
    }),
  );
  took.sort((a, b) => a - b);
  const quantile = (share: number): number => took[Math.min(Math.floor(took.length * share), took.length - 1)] ?? 0;
  return { appends: took.length, seconds: Number(values.seconds), p50_ms: quantile(0.5), p99_ms: quantile(0.99) };
}

async function catchUp(mink: Mink): Promise<object> {
  const wanted = Number(values.events);
  const begin = performance.now();
  let events = 0;
  let last = 0n;
  let bytes = 0;
  for await (const event of mink.subscribeAll()) {
    last = event.position;
    bytes += event.data.length;
    if (++events === wanted) {
      break;
    }
  }
  const seconds = (performance.now() - begin) / 1000;
  if (last <= 0n || bytes < 0) {
    throw new Error("no events");
  }
  return { events, seconds };
}

const mink = new Mink(values.server);
const result = positionals[0] === "append" ? await append(mink) : await catchUp(mink);
console.log(JSON.stringify(result));
await mink.close();
