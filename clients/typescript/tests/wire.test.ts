import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
  create,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";

import {
  readAppended,
  readResults,
  requestOf,
  writeAppend,
  writeAppendMany,
  writeSessionRequest,
} from "../src/append-messages.js";
import { readBatch } from "../src/event-batch.js";
import { toExpectation } from "../src/expectation.js";
import { RecordedEventSchema } from "../src/gen/mink/v1/event_pb.js";
import {
  AppendSessionRequestSchema,
  AppendSessionResponseSchema,
  AppendToStreamRequestSchema,
  EventBatchSchema,
  ReadStreamResponseSchema,
  SessionAppendSchema,
} from "../src/gen/mink/v1/event_store_pb.js";
import { RecordedEvent } from "../src/recorded-event.js";
import { Reader } from "../src/wire-reader.js";

const int64 = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), fc.bigInt({ min: 0n, max: 300n }));
const text = fc.string({ unit: "binary" });
const metadata = fc.dictionary(fc.oneof(text, fc.constant("__proto__")), text, { maxKeys: 4 });
const payload = fc.oneof(
  fc.record({ case: fc.constant("json" as const), value: text }),
  fc.record({ case: fc.constant("binary" as const), value: fc.uint8Array({ maxLength: 300 }) }),
);
const recorded = fc.record({
  position: int64,
  version: int64,
  id: fc.uuid(),
  stream: text,
  type: text,
  recordedAt: fc.integer({ min: -1e12, max: 4e12 }).map((ms) => timestampFromMs(ms)),
  metadata,
  payload,
});

function init(
  event: typeof recorded extends fc.Arbitrary<infer T> ? T : never,
): MessageInitShape<typeof RecordedEventSchema> {
  return event;
}

function same(view: RecordedEvent, bytes: Uint8Array): void {
  const message = fromBinary(RecordedEventSchema, bytes);
  assert.equal(view.position, message.position);
  assert.equal(view.version, message.version);
  assert.equal(view.id, message.id);
  assert.equal(view.stream, message.stream);
  assert.equal(view.category, message.stream.split("-")[0]);
  assert.equal(view.type, message.type);
  assert.deepEqual(Object.entries(view.metadata).sort(), Object.entries(message.metadata).sort());
  assert.equal(view.isJson, message.payload.case === "json");
  const expected = message.payload.case === "json" ? Buffer.from(message.payload.value) : (message.payload.value ?? []);
  assert.deepEqual([...view.data], [...expected]);
  const at = message.recordedAt;
  assert.equal(
    view.recordedAt.getTime(),
    at === undefined ? 0 : Number(at.seconds) * 1000 + Math.floor(at.nanos / 1e6),
  );
}

test("a view of an event says what the generated decoder says", () => {
  fc.assert(
    fc.property(recorded, fc.nat(20), (event, before) => {
      const bytes = toBinary(RecordedEventSchema, create(RecordedEventSchema, init(event)));
      const place = Buffer.concat([Buffer.alloc(before, 255), bytes, Buffer.alloc(3, 255)]);
      same(new RecordedEvent(place, before, before + bytes.length), bytes);
    }),
  );
});

test("fields may come in any order, more than once, and with others that are not known", () => {
  const part = (fields: MessageInitShape<typeof RecordedEventSchema>): Uint8Array =>
    toBinary(RecordedEventSchema, create(RecordedEventSchema, fields));
  const unknown = [
    0x78, 0x96, 0x01, 0x82, 0x01, 0x02, 0x61, 0x62, 0x8d, 0x01, 1, 2, 3, 4, 0x91, 0x01, 1, 2, 3, 4, 5, 6, 7, 8,
  ];
  fc.assert(
    fc.property(recorded, recorded, (one, two) => {
      const bytes = Buffer.concat([
        part({ payload: one.payload, type: one.type, metadata: one.metadata }),
        Buffer.from(unknown),
        part({ stream: two.stream, payload: two.payload }),
        part({ version: two.version, position: two.position }),
        Buffer.from(unknown),
        part({ id: one.id, position: one.position, metadata: two.metadata }),
      ]);
      same(new RecordedEvent(bytes, 0, bytes.length), bytes);
    }),
  );
});

test("a batch says what the generated decoder says, and a snapshot beside it is found", () => {
  fc.assert(
    fc.property(fc.array(recorded, { maxLength: 5 }), int64, int64, (list, position, version) => {
      const message = create(EventBatchSchema, { events: list.map(init), position, serverTime: timestampFromMs(5) });
      const batch = readBatch(Buffer.from(toBinary(EventBatchSchema, message)));
      assert.equal(batch.second, position);
      assert.equal(batch.events.length, list.length);
      batch.events.takeAll().forEach((event, index) => {
        same(event, toBinary(RecordedEventSchema, message.events[index]!));
      });
      const response = create(ReadStreamResponseSchema, { snapshot: { stream: "S", version }, streamVersion: version });
      const read = readBatch(Buffer.from(toBinary(ReadStreamResponseSchema, response)));
      assert(read.message !== undefined);
      assert.equal(read.third, version);
    }),
  );
});

test("damaged bytes are an error, and never read beyond their end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const beyond = Buffer.concat([bytes, Buffer.alloc(40, 0x08)]);
      const attempt = (does: () => unknown): void => {
        try {
          does();
        } catch (error) {
          assert(error instanceof RangeError || error instanceof TypeError, String(error));
        }
      };
      attempt(() => {
        for (const event of readBatch(beyond, 0, bytes.length).events.takeAll()) {
          assert(event.data.byteOffset + event.data.length <= beyond.byteOffset + bytes.length);
          assert.equal(typeof event.metadata, "object");
        }
      });
      attempt(() => {
        readResults(Buffer.from(bytes), () => undefined);
      });
    }),
    { numRuns: 2000 },
  );
});

const newEvent = fc.record({
  id: fc.uuid(),
  type: text,
  data: fc.oneof(text, fc.uint8Array({ maxLength: 40_000, size: "max" })),
  metadata,
});
const expected = fc.oneof(
  int64,
  fc.constantFrom("ANY" as const, "NO_STREAM" as const, "STREAM_EXISTS" as const),
  fc.nat(),
);

/** A message as it comes out of the generated encoder and decoder. */
function again<D extends DescMessage>(schema: D, message: MessageShape<D>): MessageShape<D> {
  return fromBinary(schema, toBinary(schema, message));
}

test("what is written is what the generated decoder reads", () => {
  const part = fc.record({ stream: text, expected, events: fc.array(newEvent, { maxLength: 4 }) });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 52 }),
      part,
      fc.array(part, { maxLength: 3 }),
      (number, one, several) => {
        const message = (given: typeof one) => ({
          stream: given.stream,
          expectation: toExpectation(given.expected),
          events: given.events.map(({ data, ...event }) => ({
            ...event,
            payload:
              typeof data === "string"
                ? { case: "json" as const, value: data }
                : { case: "binary" as const, value: data },
          })),
        });
        const requestId = BigInt(number);
        const first = writeAppend(number, one.stream, one.events, one.expected, undefined);
        const toStream = create(SessionAppendSchema, { requestId, append: { case: "toStream", value: message(one) } });
        assert.deepEqual(fromBinary(SessionAppendSchema, new Uint8Array(first)), again(SessionAppendSchema, toStream));
        assert(toStream.append.case === "toStream");
        assert.deepEqual(
          fromBinary(AppendToStreamRequestSchema, new Uint8Array(requestOf(first))),
          again(AppendToStreamRequestSchema, toStream.append.value),
        );

        const second = writeAppendMany(number, several, undefined);
        const appends = several.map((part) => message(part));
        const toStreams = create(SessionAppendSchema, { requestId, append: { case: "toStreams", value: { appends } } });
        assert.deepEqual(
          fromBinary(SessionAppendSchema, new Uint8Array(second)),
          again(SessionAppendSchema, toStreams),
        );

        const sent = writeSessionRequest([
          { body: first, leftMs: 1501 },
          { body: second, leftMs: -5 },
        ]);
        const { appends: timed } = fromBinary(AppendSessionRequestSchema, new Uint8Array(sent));
        assert.deepEqual(
          timed.map(({ timeout }) => [timeout?.seconds, timeout?.nanos]),
          [
            [1n, 600_000_000],
            [0n, 100_000_000],
          ],
        );
        assert.deepEqual(
          timed.map(({ append }) => append),
          [again(SessionAppendSchema, toStream).append, again(SessionAppendSchema, toStreams).append],
        );
      },
    ),
    { numRuns: 200 },
  );
});

test("a trace goes into the events that have none", () => {
  const trace = { traceparent: "00-1", tracestate: "a=b" };
  const events = [
    { id: "1", type: "T", data: "1" },
    { id: "2", type: "T", data: "2", metadata: { traceparent: "00-own", a: "b" } },
    { id: "3", type: "T", data: "3", metadata: { a: "b" } },
  ];
  const written = fromBinary(SessionAppendSchema, writeAppend(1, "S", events, 1, trace));
  assert(written.append.case === "toStream");
  assert.deepEqual(
    written.append.value.events.map(({ metadata }) => ({ ...metadata })),
    [trace, { traceparent: "00-own", a: "b" }, { a: "b", ...trace }],
  );
});

test("results say what the generated decoder says", () => {
  const result = fc.record({
    requestId: fc.bigInt({ min: 1n, max: 2n ** 52n }),
    version: int64,
    firstPosition: int64,
    lastPosition: int64,
    replayed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(result, { maxLength: 4 }), (list) => {
      const message = create(AppendSessionResponseSchema, {
        results: list.map(({ requestId, ...value }) => ({ requestId, result: { case: "toStream" as const, value } })),
      });
      const found: unknown[] = [];
      readResults(Buffer.from(toBinary(AppendSessionResponseSchema, message)), (number, outcome) => {
        found.push(Object.assign({ requestId: BigInt(number) }, outcome));
      });
      assert.deepEqual(
        found,
        list.map((one) => Object.assign({}, one)),
      );
    }),
  );
  assert.deepEqual(readAppended(Buffer.alloc(0)), {
    version: 0n,
    firstPosition: 0n,
    lastPosition: 0n,
    replayed: false,
  });
});

test("whole numbers of 64 bits are read exactly, with their sign", () => {
  for (const [bytes, value] of [
    [[0], 0n],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], 2n ** 53n - 1n],
    [[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], 2n ** 53n + 1n],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 2n ** 63n - 1n],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], -1n],
  ] as const) {
    assert.equal(new Reader(Buffer.from(bytes)).int64(), value);
  }
});
