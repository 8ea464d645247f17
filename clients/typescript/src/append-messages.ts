/** Appends and their results on the wire: `SessionAppend`, `AppendSessionRequest`, `AppendSessionResponse`. */

import { fromBinary } from "@bufbuild/protobuf";

import type { Expectation, Expected } from "./expectation.js";
import { toExpectation } from "./expectation.js";
import type { AppendManyResult, AppendResult, StreamAppend } from "./append-types.js";
import { type AppendToStreamsResponse, AppendToStreamsResponseSchema } from "./gen/mink/v1/event_store_pb.js";
import { kindOf } from "./kind-of.js";
import type { NewEvent } from "./new-event.js";
import { fromFailure } from "./status.js";
import { checkMetadata, checkText } from "./text.js";
import { BYTES, Reader, VARINT } from "./wire-reader.js";
import { Writer } from "./wire-writer.js";

const TRACEPARENT = "traceparent";

/** Metadata that says which trace an append belongs to. */
export type Trace = Readonly<Record<string, string>>;

const writer = new Writer();

/**
 * A `SessionAppend` to one stream, without its timeout. From `toStreamStart` on, its bytes are the fields of an `AppendToStreamRequest`.
 *
 * @throws TypeError - Something has the wrong type.
 * @throws RangeError - A text cannot be written as UTF-8, or a version cannot be.
 */
export function writeAppend(
  number: number,
  stream: string,
  events: readonly NewEvent[],
  expected: Expected,
  trace: Trace | undefined,
): Buffer {
  checkText("stream", stream);
  const expectation = toExpectation(expected);
  checkList("events", events, "NewEvent");
  return written(number, 2, () => {
    writePart(stream, expectation, events, "events", trace);
  });
}

/** A `SessionAppend` to several streams, without its timeout; as `writeAppend`. */
export function writeAppendMany(number: number, appends: readonly StreamAppend[], trace: Trace | undefined): Buffer {
  checkList("appends", appends, "StreamAppend");
  return written(number, 3, () => {
    appends.forEach((part: StreamAppend | null | undefined, index) => {
      const where = `appends[${index}]`;
      const { stream, expected, events } = part ?? ({} as StreamAppend);
      checkText(`${where}.stream`, stream);
      checkList(`${where}.events`, events, "NewEvent");
      const start = writer.begin(1);
      writePart(stream, toExpectation(expected, `${where}.expected`), events, `${where}.events`, trace);
      writer.end(start);
    });
  });
}

/** The request that stands in a `SessionAppend`, for a call of its own. */
export function requestOf(append: Buffer): Buffer {
  const reader = new Reader(append);
  let request: Buffer = append.subarray(0, 0);
  while (reader.more) {
    const tag = reader.uint32();
    if ((tag & 7) === BYTES) {
      const end = reader.block();
      request = append.subarray(reader.at, end);
      reader.at = end;
    } else {
      reader.skip(tag);
    }
  }
  return request;
}

function written(number: number, field: number, write: () => void): Buffer {
  try {
    writer.number(1, number);
    const start = writer.begin(field);
    write();
    writer.end(start);
    return writer.take();
  } catch (error) {
    writer.drop();
    throw error;
  }
}

function checkList(name: string, value: unknown, of: string): void {
  if (!Array.isArray(value)) {
    throw new TypeError(`${name}: a list of ${of}, not ${kindOf(value)}`);
  }
}

/** An `AppendToStreamRequest`, or a `StreamAppend`, which has the same fields. */
function writePart(
  stream: string,
  expectation: Expectation,
  events: readonly NewEvent[],
  where: string,
  trace: Trace | undefined,
): void {
  writer.text(1, stream);
  if (expectation.case === "state") {
    writer.number(2, expectation.value);
  } else {
    writer.bigint(3, expectation.value);
  }
  for (let index = 0; index < events.length; index++) {
    const event = events[index];
    checkEvent(where, index, event);
    const start = writer.begin(4);
    writer.text(1, event.id);
    writer.text(2, event.type);
    if (typeof event.data === "string") {
      writer.text(3, event.data);
    } else {
      writer.bytes(4, event.data);
    }
    const metadata = event.metadata;
    if (metadata !== undefined) {
      writeMetadata(metadata);
    }
    if (trace !== undefined && (metadata === undefined || !Object.hasOwn(metadata, TRACEPARENT))) {
      writeMetadata(trace);
    }
    writer.end(start);
  }
}

function checkEvent(where: string, index: number, event: NewEvent | undefined): asserts event is NewEvent {
  if (typeof event !== "object" || (event as unknown) === null) {
    throw new TypeError(`${where}[${index}]: a NewEvent, not ${kindOf(event)}`);
  }
  const name = `${where}[${index}]`;
  checkText(`${name}.type`, event.type);
  checkText(`${name}.id`, event.id);
  if (typeof event.data === "string") {
    checkText(`${name}.data`, event.data);
  } else if (!(event.data instanceof Uint8Array)) {
    throw new TypeError(`${name}.data: JSON text (string) or a Uint8Array, not ${kindOf(event.data)}`);
  }
  if (event.metadata !== undefined) {
    checkMetadata(`${name}.metadata`, event.metadata);
  }
}

function writeMetadata(metadata: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(metadata)) {
    const start = writer.begin(5);
    writer.text(1, key);
    writer.text(2, metadata[key] ?? "");
    writer.end(start);
  }
}

/** A part of an `AppendSessionRequest`: an append, and the time that it has. */
export interface Sending {
  /** A `SessionAppend` without its timeout. */
  readonly body: Buffer;
  /** Milliseconds that it may take from now on. */
  readonly leftMs: number;
}

/** An `AppendSessionRequest`. */
export function writeSessionRequest(appends: readonly Sending[]): Buffer {
  const parts: Buffer[] = [];
  for (const { body, leftMs } of appends) {
    const timeout = timeoutField(leftMs);
    writer.head(1, body.length + timeout.length);
    parts.push(writer.take(), body, timeout);
  }
  return Buffer.concat(parts);
}

const timeouts = new Map<number, Buffer>();

/** The field `timeout` of a `SessionAppend`, in steps of 100 ms, rounded up: there are few of them, and they are kept. */
function timeoutField(leftMs: number): Buffer {
  const tenths = Math.max(Math.ceil(leftMs / 100), 1);
  let field = timeouts.get(tenths);
  if (field === undefined) {
    const own = new Writer();
    const start = own.begin(4);
    own.number(1, Math.floor(tenths / 10));
    own.number(2, (tenths % 10) * 100_000_000);
    own.end(start);
    field = own.take();
    if (timeouts.size >= 4096) {
      timeouts.clear();
    }
    timeouts.set(tenths, field);
  }
  return field;
}

/** What became of an append. */
export type Outcome = AppendResult | AppendManyResult | Error;

/**
 * Takes an `AppendSessionResponse` apart.
 *
 * @param found - Told of each result: the append's number, and what became of it.
 * @throws RangeError - The bytes are no message.
 */
export function readResults(bytes: Buffer, found: (number: number, outcome: Outcome) => void): void {
  const reader = new Reader(bytes);
  while (reader.more) {
    const tag = reader.uint32();
    if (tag === ((1 << 3) | BYTES)) {
      readResult(reader, found);
    } else {
      reader.skip(tag);
    }
  }
}

function readResult(reader: Reader, found: (number: number, outcome: Outcome) => void): void {
  const end = reader.block();
  let number = 0;
  let outcome: Outcome | undefined;
  while (reader.at < end) {
    const tag = reader.uint32();
    if (tag === ((1 << 3) | VARINT)) {
      number = Number(reader.int64());
      continue;
    }
    if ((tag & 7) !== BYTES) {
      reader.skip(tag);
      continue;
    }
    const to = reader.block();
    const from = reader.at;
    reader.at = to;
    switch (tag >>> 3) {
      case 2:
        outcome = readAppended(reader.bytes, from, to);
        break;
      case 3:
        outcome = appendedMany(fromBinary(AppendToStreamsResponseSchema, reader.bytes.subarray(from, to)));
        break;
      case 4:
        outcome = fromFailure(reader.bytes.subarray(from, to));
        break;
    }
  }
  if (outcome !== undefined) {
    found(number, outcome);
  }
}

/** An `AppendToStreamResponse`. */
export function readAppended(bytes: Buffer, from = 0, to = bytes.length): AppendResult {
  const reader = new Reader(bytes, from, to);
  let version = 0n;
  let firstPosition = 0n;
  let lastPosition = 0n;
  let replayed = false;
  while (reader.more) {
    const tag = reader.uint32();
    switch (tag) {
      case (1 << 3) | VARINT:
        version = reader.int64();
        break;
      case (2 << 3) | VARINT:
        firstPosition = reader.int64();
        break;
      case (3 << 3) | VARINT:
        lastPosition = reader.int64();
        break;
      case (4 << 3) | VARINT:
        replayed = reader.int64() !== 0n;
        break;
      default:
        reader.skip(tag);
    }
  }
  return { version, firstPosition, lastPosition, replayed };
}

/** What an `AppendToStreamsResponse` says. */
export function appendedMany(message: AppendToStreamsResponse): AppendManyResult {
  return {
    streams: message.streams.map(({ stream, version, firstPosition, lastPosition }) => ({
      stream,
      version,
      firstPosition,
      lastPosition,
    })),
    firstPosition: message.firstPosition,
    lastPosition: message.lastPosition,
    replayed: message.replayed,
  };
}
