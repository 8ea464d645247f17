/** Whole numbers of 64 bits: positions and versions. */

import { kindOf } from "./kind-of.js";

const LARGEST = 2n ** 63n - 1n;
/** Milliseconds of 24 days: a timer of Node's, which counts them in 31 bits, fires at once for more than 24.8. */
const LONGEST = 24 * 24 * 3_600_000;

/**
 * A position, a version or a count as a bigint.
 *
 * @param name - What the caller calls it, for the error.
 * @param value - A bigint, or a number that holds a whole number exactly; 0 or more.
 * @throws TypeError - It is neither.
 * @throws RangeError - It is negative, larger than 2^63 - 1, or a number that is not a safe integer.
 */
export function whole(name: string, value: bigint | number): bigint {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) {
      throw new RangeError(`${name}: a whole number, and a bigint from 2^53 on, not ${value}`);
    }
    value = BigInt(value);
  } else if (typeof value !== "bigint") {
    throw new TypeError(`${name}: a bigint or a number, not ${kindOf(value)}`);
  }
  if (value < 0n || value > LARGEST) {
    throw new RangeError(`${name}: 0 to 2^63 - 1, not ${value}`);
  }
  return value;
}

/**
 * Milliseconds that something may take. What is longer than 24 days, or has no end (`Infinity`), is 24 days.
 *
 * @throws RangeError - It is not above zero.
 */
export function milliseconds(name: string, value: number): number {
  if (typeof value !== "number" || !(value > 0)) {
    throw new RangeError(`${name}: milliseconds above zero, not ${String(value)}`);
  }
  return Math.min(value, LONGEST);
}
