/** Events to append. */

import { kindOf } from "./kind-of.js";
import { toJson } from "./payload.js";
import { uuid7 } from "./uuid7.js";

/** An event to append. It gets its id when it is made, so that appending it again is safe: make one with `jsonEvent` and its like. */
export interface NewEvent {
  /** What happened, 1 to 255 characters, no control characters. Example: `OrderPlaced`. */
  readonly type: string;
  /** The payload: JSON text (a string), or any bytes. */
  readonly data: string | Uint8Array;
  /** A UUID as text. */
  readonly id: string;
  /** What is known about the event beside its facts. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** What may be said of an event beside its type and its payload. */
export interface EventOptions {
  /** A UUID; not given, or empty: a new UUIDv7. */
  readonly id?: string | undefined;
  /** Text by name. Example: `{ userId: "7" }`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/**
 * An event whose payload is JSON.
 *
 * @param type - What happened. Example: `OrderPlaced`.
 * @param payload - Anything that `JSON.stringify` takes, and no bytes.
 * @throws TypeError - The payload has no JSON form, or is bytes.
 */
export function jsonEvent(type: string, payload: unknown, options?: EventOptions): NewEvent {
  if (payload instanceof Uint8Array) {
    throw new TypeError(`payload of ${JSON.stringify(type)}: a value with a JSON form, not bytes: use binaryEvent`);
  }
  return make(type, toJson(`payload of ${JSON.stringify(type)}`, payload), options);
}

/**
 * An event whose payload is text that is JSON already; it comes back byte for byte.
 *
 * @param type - What happened.
 * @param text - JSON text. The server checks it.
 */
export function rawJsonEvent(type: string, text: string, options?: EventOptions): NewEvent {
  if (typeof text !== "string") {
    throw new TypeError(`text: JSON text (string), not ${kindOf(text)}`);
  }
  return make(type, text, options);
}

/**
 * An event whose payload is bytes.
 *
 * @param type - What happened.
 * @param bytes - Any bytes, possibly none. They are not copied.
 */
export function binaryEvent(type: string, bytes: Uint8Array, options?: EventOptions): NewEvent {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`bytes: a Uint8Array, not ${kindOf(bytes)}`);
  }
  return make(type, bytes, options);
}

function make(type: string, data: string | Uint8Array, options: EventOptions | undefined): NewEvent {
  return { type, data, id: options?.id || uuid7(), metadata: options?.metadata };
}
