/** Which events of the log. */

import { type MessageShape, create } from "@bufbuild/protobuf";

import { EventFilterSchema } from "./gen/mink/v1/event_store_pb.js";
import { kindOf } from "./kind-of.js";
import { checkText } from "./text.js";

/** @internal A filter as messages have it. */
export type EventFilter = MessageShape<typeof EventFilterSchema>;

/**
 * Which events. The first three choose streams (an event passes if any one of them chooses its stream, or none is given), and of those
 * streams' events `types` chooses by type (all, if it is not given). At most 1000 entries in all.
 */
export interface FilterOptions {
  /** Streams, by their whole name. */
  readonly streams?: readonly string[] | undefined;
  /** Streams, by how their name begins. */
  readonly streamPrefixes?: readonly string[] | undefined;
  /** Streams, by the part of their name before the first `-`. */
  readonly categories?: readonly string[] | undefined;
  /** Event types. */
  readonly types?: readonly string[] | undefined;
}

/**
 * @internal
 * A filter as messages have it.
 *
 * @throws TypeError - Something is no list of texts.
 */
export function eventFilter({ streams, streamPrefixes, categories, types }: FilterOptions): EventFilter {
  return create(EventFilterSchema, {
    streams: texts("streams", streams),
    streamPrefixes: texts("streamPrefixes", streamPrefixes),
    categories: texts("categories", categories),
    types: texts("types", types),
  });
}

function texts(name: string, value: readonly string[] = []): string[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`${name}: a list of texts, not ${kindOf(value)}`);
  }
  return value.map((text: unknown, index) => {
    checkText(`${name}[${index}]`, text);
    return text;
  });
}
