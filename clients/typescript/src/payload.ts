/** What an event or a snapshot carries: JSON text or bytes. */

import { kindOf } from "./kind-of.js";
import { toText } from "./text.js";

/** A payload as it was written, byte for byte. */
export abstract class Payload {
  /** Whether the payload is JSON text; otherwise it is bytes. */
  abstract get isJson(): boolean;

  /** The payload, byte for byte as it was written; JSON text as UTF-8. A view of the message that came: copy what you keep for long. */
  abstract get data(): Uint8Array;

  /**
   * The payload as text, byte for byte as it was written.
   *
   * @throws TypeError - The payload is bytes that are no UTF-8.
   */
  get text(): string {
    return toText(this.data);
  }

  /**
   * The payload, parsed anew with each call. As with `JSON.parse`, numbers beyond 2^53 lose digits; `text` has them all.
   *
   * @throws SyntaxError - The payload is bytes that are not JSON.
   * @throws TypeError - The payload is bytes that are no UTF-8.
   */
  // The type is the caller's word: nothing is checked.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  json<T = unknown>(): T {
    return JSON.parse(this.text) as T;
  }
}

/**
 * Compact JSON text of a value, as `JSON.stringify` makes it.
 *
 * @param name - What the caller calls it, for the error.
 * @throws TypeError - The value, or something in it, has no JSON form: undefined, a function, a bigint, an object that contains itself.
 */
export function toJson(name: string, value: unknown): string {
  let text: unknown; // what is declared leaves out undefined
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw error instanceof TypeError ? new TypeError(`${name}: ${whyNot(value, error)}`, { cause: error }) : error;
  }
  if (typeof text !== "string") {
    throw new TypeError(`${name}: a value with a JSON form, not ${kindOf(value)}`);
  }
  return text;
}

/** Why a value has no JSON form, in one line. */
function whyNot(value: unknown, error: TypeError): string {
  let where: string | undefined;
  try {
    JSON.stringify(value, (key, entry: unknown) => {
      where ??= typeof entry === "bigint" ? key : undefined;
      return entry;
    });
  } catch {
    // It is known that it fails, and looked for where.
  }
  if (where === undefined) {
    return error.message.replace(/\s+/g, " ");
  }
  const it = where === "" ? "it is" : `${JSON.stringify(where)} is`;
  return `${it} a bigint, which JSON.stringify does not write: give text (String(…)), or a number if it is below 2^53`;
}
