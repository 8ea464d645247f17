/** What is given to an append beside its events, and what it gives back. */

import type { Expected } from "./expectation.js";
import type { NewEvent } from "./new-event.js";

/** Where the events of one append are. */
export interface AppendResult {
  /** The version of the last event appended. */
  readonly version: bigint;
  /** The position of the first event appended. */
  readonly firstPosition: bigint;
  /** The position of the last one. The positions between are this append's, without a hole. */
  readonly lastPosition: bigint;
  /** Whether the events were there already: this append was sent before, and this is the answer that it got. */
  readonly replayed: boolean;
}

/** One stream's part of an append to several. */
export interface StreamAppend {
  /** The stream's name. A stream may be named once. */
  readonly stream: string;
  /** The events, in order; none: the stream is only checked. */
  readonly events: readonly NewEvent[];
  /** What is expected of the stream: a version, `ANY`, `NO_STREAM` or `STREAM_EXISTS`. */
  readonly expected: Expected;
}

/** Where one stream's events are. */
export interface StreamAppended {
  /** The stream's name. */
  readonly stream: string;
  /** The version that the stream has after the append. */
  readonly version: bigint;
  /** The position of the first event appended to this stream; 0 if it was only checked. */
  readonly firstPosition: bigint;
  /** The position of the last one; 0 if it was only checked. */
  readonly lastPosition: bigint;
}

/** Where the events of an append to several streams are. */
export interface AppendManyResult {
  /** One entry for each part, in the order given. */
  readonly streams: readonly StreamAppended[];
  /** The position of the first event appended. */
  readonly firstPosition: bigint;
  /** The position of the last one. */
  readonly lastPosition: bigint;
  /** Whether the events were there already. */
  readonly replayed: boolean;
}
