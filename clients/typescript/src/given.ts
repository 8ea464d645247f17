/** Options as a program gives them: what is wrong with them is told before anything is sent, and not by V8. */

import { kindOf } from "./kind-of.js";
import type { Logger } from "./log.js";

/**
 * Options, to be taken apart. Forgotten ones are empty ones: what is missing in them is told by its own name.
 *
 * @throws TypeError - They are no object.
 */
export function given<T extends object>(options: T | undefined): T {
  if (options === undefined) {
    return {} as T;
  }
  if (kindOf(options) !== "object") {
    throw new TypeError(`options: an object, not ${kindOf(options)}`);
  }
  return options;
}

/**
 * Checks that options are no others than these: a filter with a wrong name would be none, and let everything pass.
 *
 * @throws TypeError - There is another one.
 */
export function checkKeys(options: object, known: readonly string[]): void {
  const wrong = Object.keys(options).find((key) => !known.includes(key));
  if (wrong !== undefined) {
    throw new TypeError(`${wrong}: there is no such option; there are ${known.join(", ")}`);
  }
}

/**
 * Checks that something can be listened to.
 *
 * @throws TypeError - It is no AbortSignal.
 */
export function checkSignal(signal: AbortSignal | undefined): void {
  // Not `instanceof`: it may be one of another realm, as in tests with a browser's globals.
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.throwIfAborted !== "function") {
    throw new TypeError(`signal: an AbortSignal, not ${kindOf(signal)}`);
  }
}

/**
 * Checks that something can be told.
 *
 * @throws TypeError - It has not what a logger has.
 */
export function checkLogger(logger: Logger | undefined): void {
  const { warn, info } = (logger ?? {}) as Partial<Logger>;
  if (logger !== undefined && (typeof warn !== "function" || typeof info !== "function")) {
    throw new TypeError(`logger: an object with the methods warn and info, not ${kindOf(logger)}`);
  }
}
