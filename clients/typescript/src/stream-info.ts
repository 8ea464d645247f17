/** What is known about a stream, and what was removed from one. */

import { timestampDate } from "@bufbuild/protobuf/wkt";

import type { StreamInfo as Message } from "./gen/mink/v1/event_store_pb.js";

/** A stream. */
export interface StreamInfo {
  /** Its name. */
  readonly stream: string;
  /** The part of the name before the first `-`, or the whole name. */
  readonly category: string;
  /** The version of the newest event. */
  readonly version: bigint;
  /** The version of the oldest event that is still there; 0 if all were removed. */
  readonly firstVersion: bigint;
  /** How many events are there. */
  readonly events: bigint;
  /** The position of the newest event; 0 if all were removed. */
  readonly lastPosition: bigint;
  /** When the oldest event that is still there was recorded; undefined if all were removed. */
  readonly firstRecordedAt: Date | undefined;
  /** When the newest event was recorded; undefined if all were removed. */
  readonly lastRecordedAt: Date | undefined;
  /** The version of the snapshot; 0 if there is none. */
  readonly snapshotVersion: bigint;
  /** Whether the stream was deleted. */
  readonly deleted: boolean;
  /** Whether the name is gone for good. */
  readonly tombstoned: boolean;
}

/** What was removed from a stream. */
export interface Removed {
  /** How many events. */
  readonly removed: bigint;
  /** The version that the stream has, or had: versions are never used again. */
  readonly version: bigint;
}

/** @internal A stream as the server tells it. */
export function streamInfo(message: Message): StreamInfo {
  const { $typeName: _, $unknown: __, firstRecordedAt, lastRecordedAt, ...fields } = message;
  return {
    ...fields,
    firstRecordedAt: firstRecordedAt && timestampDate(firstRecordedAt),
    lastRecordedAt: lastRecordedAt && timestampDate(lastRecordedAt),
  };
}
