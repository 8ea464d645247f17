import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";

import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";

import { checkedAddress } from "../src/address.js";
import { RecordedEventSchema } from "../src/gen/mink/v1/event_pb.js";
import { Mink, binaryEvent, jsonEvent, rawJsonEvent, uuid7 } from "../src/index.js";
import { RecordedEvent } from "../src/recorded-event.js";
import { VERSION } from "../src/version.js";

const HOME = join(import.meta.dirname, "../..");

test("ids are UUIDs of version 7, unique, in the order in which they were made, and say the time", () => {
  const before = Date.now();
  const ids = Array.from({ length: 20_000 }, uuid7);
  const after = Date.now();
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual([...ids].sort(), ids);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  const time = parseInt(ids[0]!.slice(0, 8) + ids[0]!.slice(9, 13), 16);
  assert(time >= before - 50 && time <= after + 50, `${time} is not between ${before} and ${after}`);
});

test("an address has a port, and is no URL", () => {
  for (const good of [
    "localhost:50051",
    "10.0.0.1:1",
    "[::1]:50051",
    "dns:///mink:50051",
    "dns:mink:50051",
    "dns://8.8.8.8/mink:50051",
    "ipv4:10.0.0.1:1,10.0.0.2:2",
    "ipv6:[::1]:1",
    "unix:/tmp/socket",
  ]) {
    assert.equal(checkedAddress(good), good);
  }
  for (const bad of [
    "localhost",
    "localhost:",
    ":50051",
    "::1:50051",
    "http://localhost:50051",
    "https://localhost:50051/",
    "localhost:0",
    "localhost:65536",
    "localhost:-1",
    "localhost:http",
    "local host:1",
    "localhost:1\n",
    "dns:///mink",
    "ipv4:10.0.0.1:1,10.0.0.2",
    "unix:",
    "",
  ]) {
    assert.throws(() => checkedAddress(bad), RangeError, bad);
  }
  assert.throws(() => checkedAddress(7), TypeError);
  assert.throws(
    () => checkedAddress("mink_0123456789ab_s3cret"),
    (error) => !String(error).includes("s3cret"),
  );
});

test("a client says what is wrong with its options", () => {
  assert.throws(() => new Mink("localhost"), RangeError);
  assert.throws(() => new Mink("localhost:1", { timeoutMs: 0 }), RangeError);
  assert.throws(() => new Mink("localhost:1", { timeoutMs: NaN }), RangeError);
  assert.throws(() => new Mink("localhost:1", { tls: "yes" as never }), /tls: true, false or an object/);
});

test("events to append have their payload as it will be sent", () => {
  const event = jsonEvent("T", { b: 1, a: ["ä", "\ud800", undefined] }, { metadata: { k: "v" } });
  assert.equal(event.data, '{"b":1,"a":["ä","\\ud800",null]}');
  assert.deepEqual(event.metadata, { k: "v" });
  assert.equal(rawJsonEvent("T", '{ "n": 1.0 }').data, '{ "n": 1.0 }');
  assert.equal(jsonEvent("T", "text").data, '"text"');
  assert.equal(jsonEvent("T", 1, { id: "own" }).id, "own");
  const bytes = new Uint8Array([1, 2]);
  assert.equal(binaryEvent("T", bytes).data, bytes);
  for (const wrong of [undefined, () => 1, Symbol("s"), 1n]) {
    assert.throws(() => jsonEvent("T", wrong), TypeError);
  }
  assert.throws(() => binaryEvent("T", "text" as never), TypeError);
  assert.throws(() => rawJsonEvent("T", { a: 1 } as never), TypeError);
});

function recorded(payload: { case: "json"; value: string } | { case: "binary"; value: Uint8Array }): RecordedEvent {
  const message = create(RecordedEventSchema, {
    position: 2n ** 60n,
    version: 7n,
    id: "id",
    stream: "Order-1-2",
    type: "OrderPlaced",
    recordedAt: timestampFromMs(1_700_000_000_123),
    metadata: { a: "b" },
    payload,
  });
  const bytes = Buffer.from(toBinary(RecordedEventSchema, message));
  return new RecordedEvent(bytes, 0, bytes.length);
}

test("an event that was read gives its payload in every form that it has", () => {
  const json = recorded({ case: "json", value: '\ufeff"text"' });
  assert.equal(json.text, '\ufeff"text"');
  assert.equal(recorded({ case: "json", value: '{"n":1}' }).json<{ n: number }>().n, 1);
  const bytes = recorded({ case: "binary", value: new Uint8Array([0x22, 0xc3, 0xa4, 0x22]) });
  assert.equal(bytes.isJson, false);
  assert.equal(bytes.text, '"ä"');
  assert.equal(bytes.json(), "ä");
  assert(!(bytes.data instanceof Buffer));
  const none = recorded({ case: "binary", value: new Uint8Array([0xff]) });
  assert.throws(() => none.text, TypeError);
  assert.throws(() => recorded({ case: "json", value: "{" }).json(), SyntaxError);
});

test("an event shows itself without its payload, and becomes JSON with all of its digits", () => {
  const event = recorded({ case: "json", value: '{"secret":1}' });
  assert.equal(inspect(event), 'RecordedEvent(1152921504606846976, "Order-1-2" version 7, "OrderPlaced")');
  assert.deepEqual(JSON.parse(JSON.stringify(event)), {
    position: "1152921504606846976",
    version: "7",
    id: "id",
    stream: "Order-1-2",
    type: "OrderPlaced",
    recordedAt: "2023-11-14T22:13:20.123Z",
    metadata: { a: "b" },
    json: '{"secret":1}',
  });
  assert.equal(event.category, "Order");
});

test("the version is the package's, and the lock file names no host of packages", () => {
  const about = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8")) as { version: string };
  assert.equal(VERSION, about.version);
  const lock = readFileSync(join(HOME, "package-lock.json"), "utf8");
  assert(!lock.includes('"resolved"'));
});
