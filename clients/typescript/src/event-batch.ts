/** Batches of events as they come: `ReadStreamResponse`, `ReadAllResponse` and `EventBatch` all have their events in field 1. */

import { RecordedEvent } from "./recorded-event.js";
import { BYTES, Reader, VARINT } from "./wire-reader.js";

const EVENTS = (1 << 3) | BYTES;
const SECOND_NUMBER = (2 << 3) | VARINT;
const SECOND_BLOCK = (2 << 3) | BYTES;
const THIRD_NUMBER = (3 << 3) | VARINT;

/**
 * The events of a batch, as places in its bytes. An event becomes an object when it is taken: one that lives for a moment costs next to
 * nothing, and a thousand that wait together would be copied by the garbage collector, twice.
 */
export class EventList {
  readonly #bytes: Buffer;
  readonly #bounds: readonly number[];
  #at = 0;
  #end: number;

  /**
   * @param bytes - The message that they came in.
   * @param bounds - Where each begins and ends.
   */
  constructor(bytes: Buffer, bounds: readonly number[]) {
    this.#bytes = bytes;
    this.#bounds = bounds;
    this.#end = bounds.length;
  }

  /** How many are left. */
  get length(): number {
    return (this.#end - this.#at) / 2;
  }

  /** The last one; undefined if none is left. */
  get last(): RecordedEvent | undefined {
    return this.#at < this.#end ? this.#make(this.#end - 2) : undefined;
  }

  /** Takes the next one; undefined if none is left. */
  take(): RecordedEvent | undefined {
    if (this.#at >= this.#end) {
      return undefined;
    }
    const event = this.#make(this.#at);
    this.#at += 2;
    return event;
  }

  /** Takes all that are left. */
  takeAll(): RecordedEvent[] {
    const events: RecordedEvent[] = [];
    for (let event = this.take(); event !== undefined; event = this.take()) {
      events.push(event);
    }
    return events;
  }

  /** Leaves out the last one. */
  dropLast(): void {
    this.#end -= 2;
  }

  #make(at: number): RecordedEvent {
    return new RecordedEvent(this.#bytes, this.#bounds[at] ?? 0, this.#bounds[at + 1] ?? 0);
  }
}

/** No events. */
export const NO_EVENTS = new EventList(Buffer.alloc(0), []);

/** A batch, with what stands beside its events. */
export interface EventBatch {
  /** The events, in their order. */
  readonly events: EventList;
  /** Field 2, if it is a number: the position up to which all is sent. */
  readonly second: bigint;
  /** Field 3, if it is a number: the head, or the stream's version. */
  readonly third: bigint;
  /** Field 2, if it is a message: the snapshot. */
  readonly message: Uint8Array | undefined;
}

/**
 * Takes a batch apart, without looking into its events.
 *
 * @throws RangeError - The bytes are no message.
 */
export function readBatch(bytes: Buffer, start = 0, end = bytes.length): EventBatch {
  const bounds: number[] = [];
  let second = 0n;
  let third = 0n;
  let message: Uint8Array | undefined;
  const reader = new Reader(bytes, start, end);
  while (reader.more) {
    const tag = reader.uint32();
    switch (tag) {
      case EVENTS: {
        const to = reader.block();
        bounds.push(reader.at, to);
        reader.at = to;
        break;
      }
      case SECOND_NUMBER:
        second = reader.int64();
        break;
      case THIRD_NUMBER:
        third = reader.int64();
        break;
      case SECOND_BLOCK: {
        const to = reader.block();
        message = bytes.subarray(reader.at, to);
        reader.at = to;
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  return { events: new EventList(bytes, bounds), second, third, message };
}
