/** Text that can be sent. */

import { kindOf } from "./kind-of.js";

/**
 * Checks that something is text, and can be written as UTF-8.
 *
 * @param name - What the caller calls it, for the error.
 * @throws TypeError - It is no text.
 * @throws RangeError - It holds half of a surrogate pair, which would silently become another character.
 */
export function checkText(name: string, value: unknown): asserts value is string {
  if (typeof value !== "string") {
    throw new TypeError(`${name}: text (string), not ${kindOf(value)}`);
  }
  if (!value.isWellFormed()) {
    throw new RangeError(`${name}: holds half of a surrogate pair, which UTF-8 cannot write`);
  }
}

/**
 * Checks that something is text by name.
 *
 * @throws TypeError - It is something else.
 * @throws RangeError - A name or a text in it cannot be written as UTF-8.
 */
export function checkMetadata(name: string, value: unknown): asserts value is Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${name}: text by name, not ${kindOf(value)}`);
  }
  for (const [key, entry] of Object.entries(value)) {
    checkText(`a key of ${name}`, key);
    checkText(`${name}[${JSON.stringify(key)}]`, entry);
  }
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Bytes as text.
 *
 * @throws TypeError - They are no UTF-8.
 */
export function toText(bytes: Uint8Array): string {
  return STRICT.decode(bytes);
}
