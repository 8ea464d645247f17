/** An event in the log, as a view of the bytes that came: a field costs something only when it is asked for. */

import { inspect } from "node:util";

import { Payload } from "./payload.js";
import { toText } from "./text.js";
import { Reader } from "./wire-reader.js";

// Tags of mink.v1.RecordedEvent: the field's number, and its wire type in the last three bits.
const POSITION = (1 << 3) | 1;
const VERSION = (2 << 3) | 1;
const ID = (3 << 3) | 2;
const STREAM = (4 << 3) | 2;
const TYPE = (5 << 3) | 2;
const RECORDED_AT = (6 << 3) | 2;
const METADATA = (7 << 3) | 2;
const JSON_TEXT = (8 << 3) | 2;
const BINARY = (9 << 3) | 2;

// Tags of a map's entries, and of google.protobuf.Timestamp.
const KEY = (1 << 3) | 2;
const VALUE = (2 << 3) | 2;
const SECONDS = 1 << 3;
const NANOS = 2 << 3;

/** Where the fields of an event are: from, to. Both 0: the field is not there, and is empty. */
interface Places {
  position: bigint;
  version: bigint;
  id: number;
  idEnd: number;
  stream: number;
  streamEnd: number;
  type: number;
  typeEnd: number;
  recordedAt: number;
  recordedAtEnd: number;
  payload: number;
  payloadEnd: number;
  isJson: boolean;
}

/** An event in the log. */
export class RecordedEvent extends Payload {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  #found: Places | undefined;

  /**
   * @internal
   * @param bytes - The message that it came in.
   * @param start - Where its `mink.v1.RecordedEvent` begins.
   * @param end - Where that ends.
   */
  constructor(bytes: Buffer, start: number, end: number) {
    super();
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** The event's number in the log: 1, 2, 3 …, in the order of commits. */
  get position(): bigint {
    const start = this.#start;
    // The position stands first, where nothing needs to be looked for.
    if (this.#bytes[start] === POSITION && start + 9 <= this.#end) {
      return this.#bytes.readBigInt64LE(start + 1);
    }
    return this.#places().position;
  }

  /** The event's number in its stream: 1, 2, 3 … */
  get version(): bigint {
    return this.#places().version;
  }

  /** The event's UUID, in the canonical form. */
  get id(): string {
    const at = this.#places();
    return this.#bytes.toString("latin1", at.id, at.idEnd);
  }

  /** The name of the event's stream. */
  get stream(): string {
    const at = this.#places();
    return this.#bytes.toString("utf8", at.stream, at.streamEnd);
  }

  /** The part of the stream's name before its first `-`; the whole name if it has none. */
  get category(): string {
    const stream = this.stream;
    const dash = stream.indexOf("-");
    return dash < 0 ? stream : stream.slice(0, dash);
  }

  /** What happened. */
  get type(): string {
    const at = this.#places();
    return this.#bytes.toString("utf8", at.type, at.typeEnd);
  }

  override get isJson(): boolean {
    return this.#places().isJson;
  }

  override get data(): Uint8Array {
    const at = this.#places();
    const bytes = this.#bytes;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + at.payload, at.payloadEnd - at.payload);
  }

  override get text(): string {
    const at = this.#places();
    return at.isJson ? this.#bytes.toString("utf8", at.payload, at.payloadEnd) : toText(this.data);
  }

  /** What is known about the event beside its facts. Made anew with each call. */
  get metadata(): Record<string, string> {
    const found: Record<string, string> = {};
    const reader = new Reader(this.#bytes, this.#start, this.#end);
    while (reader.more) {
      const tag = reader.uint32();
      if (tag === METADATA) {
        const [key, value] = readEntry(reader);
        // A plain assignment would take `__proto__` for something else.
        Object.defineProperty(found, key, { value, enumerable: true, writable: true, configurable: true });
      } else {
        reader.skip(tag);
      }
    }
    return found;
  }

  /** When the server recorded the event, by the server's clock, to the millisecond. */
  get recordedAt(): Date {
    const at = this.#places();
    const reader = new Reader(this.#bytes, at.recordedAt, at.recordedAtEnd);
    let milliseconds = 0;
    while (reader.more) {
      const tag = reader.uint32();
      if (tag === SECONDS) {
        milliseconds += Number(reader.int64()) * 1000;
      } else if (tag === NANOS) {
        milliseconds += Math.floor(Number(reader.int64()) / 1e6);
      } else {
        reader.skip(tag);
      }
    }
    return new Date(milliseconds);
  }

  /** What `JSON.stringify` makes of it: all fields; positions and versions as text, for they may have more digits than a number holds. */
  toJSON(): Record<string, unknown> {
    return {
      position: this.position.toString(),
      version: this.version.toString(),
      id: this.id,
      stream: this.stream,
      type: this.type,
      recordedAt: this.recordedAt.toISOString(),
      metadata: this.metadata,
      ...(this.isJson ? { json: this.text } : { binary: Buffer.from(this.data).toString("base64") }),
    };
  }

  /** @internal What `console.log` shows. No payload: it may be large, or nobody's business. */
  [inspect.custom](): string {
    return `RecordedEvent(${this.position}, ${JSON.stringify(this.stream)} version ${this.version}, ${JSON.stringify(this.type)})`;
  }

  #places(): Places {
    return (this.#found ??= find(this.#bytes, this.#start, this.#end));
  }
}

function find(bytes: Buffer, start: number, end: number): Places {
  const at: Places = {
    position: 0n,
    version: 0n,
    id: 0,
    idEnd: 0,
    stream: 0,
    streamEnd: 0,
    type: 0,
    typeEnd: 0,
    recordedAt: 0,
    recordedAtEnd: 0,
    payload: 0,
    payloadEnd: 0,
    isJson: false,
  };
  const reader = new Reader(bytes, start, end);
  while (reader.more) {
    const tag = reader.uint32();
    if (tag === POSITION || tag === VERSION) {
      const from = reader.at;
      reader.skip(tag);
      if (tag === POSITION) {
        at.position = bytes.readBigInt64LE(from);
      } else {
        at.version = bytes.readBigInt64LE(from);
      }
      continue;
    }
    if ((tag & 7) !== 2) {
      reader.skip(tag);
      continue;
    }
    const to = reader.block();
    const from = reader.at;
    reader.at = to;
    switch (tag) {
      case ID:
        at.id = from;
        at.idEnd = to;
        break;
      case STREAM:
        at.stream = from;
        at.streamEnd = to;
        break;
      case TYPE:
        at.type = from;
        at.typeEnd = to;
        break;
      case RECORDED_AT:
        at.recordedAt = from;
        at.recordedAtEnd = to;
        break;
      case JSON_TEXT:
      case BINARY:
        at.payload = from;
        at.payloadEnd = to;
        at.isJson = tag === JSON_TEXT;
        break;
    }
  }
  return at;
}

function readEntry(reader: Reader): [string, string] {
  let key = "";
  let value = "";
  const end = reader.block();
  while (reader.at < end) {
    const tag = reader.uint32();
    if (tag === KEY || tag === VALUE) {
      const to = reader.block();
      const text = reader.bytes.toString("utf8", reader.at, to);
      reader.at = to;
      if (tag === KEY) {
        key = text;
      } else {
        value = text;
      }
    } else {
      reader.skip(tag);
    }
  }
  return [key, value];
}
