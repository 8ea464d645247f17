/** What a caller can expect of a stream. */

import { ExpectedState } from "./gen/mink/v1/expectation_pb.js";
import { kindOf } from "./kind-of.js";
import { whole } from "./numbers.js";

/** A state that a stream can be expected to be in, without naming a version. */
export type ExpectedStateName = "ANY" | "NO_STREAM" | "STREAM_EXISTS";

/** The version that a stream has (0: it does not exist), or `ANY`, `NO_STREAM`, `STREAM_EXISTS`. */
export type Expected = bigint | number | ExpectedStateName;

/** Whatever the stream is. */
export const ANY = "ANY";
/** The stream does not exist: nothing was ever appended to it, or it was deleted. */
export const NO_STREAM = "NO_STREAM";
/** The stream exists, at whatever version. */
export const STREAM_EXISTS = "STREAM_EXISTS";

const NUMBERS: ReadonlyMap<unknown, ExpectedState> = new Map([
  [ANY, ExpectedState.ANY],
  [NO_STREAM, ExpectedState.NO_STREAM],
  [STREAM_EXISTS, ExpectedState.STREAM_EXISTS],
]);

/** @internal An expectation as the generated messages have it. */
export type Expectation = { case: "state"; value: ExpectedState } | { case: "exactVersion"; value: bigint };

/**
 * @internal
 * An expectation as messages have it.
 *
 * @param name - What the caller calls it, for the error.
 * @throws TypeError - It is neither a version nor a state.
 * @throws RangeError - The version is negative, larger than any, or a number that is not exact.
 */
export function toExpectation(expected: Expected, name = "expected"): Expectation {
  const state = NUMBERS.get(expected);
  if (state !== undefined) {
    return { case: "state", value: state };
  }
  if (typeof expected !== "bigint" && typeof expected !== "number") {
    throw new TypeError(
      `${name}: a version (bigint or number), ANY, NO_STREAM or STREAM_EXISTS, not ${shown(expected)}`,
    );
  }
  return { case: "exactVersion", value: whole(name, expected) };
}

/** @internal The expectation that an error names. */
export function fromExpectation(
  expectation: Expectation | { case: undefined; value?: undefined },
): bigint | ExpectedStateName {
  if (expectation.case === "exactVersion") {
    return expectation.value;
  }
  switch (expectation.value) {
    case ExpectedState.NO_STREAM:
      return NO_STREAM;
    case ExpectedState.STREAM_EXISTS:
      return STREAM_EXISTS;
    default:
      return ANY;
  }
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : kindOf(value);
}
