/** Batches of events as they come: `ReadStreamResponse`, `ReadAllResponse` and `EventBatch` all have their events in field 1. */

import { RecordedEvent } from "./recorded-event.js";
import { BYTES, Reader, VARINT } from "./wire-reader.js";

const EVENTS = (1 << 3) | BYTES;
const SECOND_NUMBER = (2 << 3) | VARINT;
const SECOND_BLOCK = (2 << 3) | BYTES;
const THIRD_NUMBER = (3 << 3) | VARINT;

/** A batch, with what stands beside its events. */
export interface EventBatch {
  /** The events, in their order. */
  readonly events: RecordedEvent[];
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
  const events: RecordedEvent[] = [];
  let second = 0n;
  let third = 0n;
  let message: Uint8Array | undefined;
  const reader = new Reader(bytes, start, end);
  while (reader.more) {
    const tag = reader.uint32();
    switch (tag) {
      case EVENTS: {
        const to = reader.block();
        events.push(new RecordedEvent(bytes, reader.at, to));
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
  return { events, second, third, message };
}
