/** What the client gives back, in the words of the cases. */

import * as mink from "../src/index.js";
import type { Fields, Value } from "./values.js";

const RECENT = 600_000;
// The types of the table in clients/README.md that are a kind of another one of it; the client's other bases are its own affair.
const KINDS = { StreamNotFound: mink.StreamNotFound, Unavailable: mink.Unavailable };

/** An event that was read. */
export function event(found: mink.RecordedEvent): Fields {
  return {
    position: found.position,
    version: found.version,
    id: found.id,
    stream: found.stream,
    category: found.category,
    type: found.type,
    metadata: found.metadata,
    size: found.data.length,
    recent: isRecent(found.recordedAt),
    ...payload(found),
  };
}

/** A snapshot; null, if there is none. */
export function snapshot(found: mink.Snapshot | undefined): Value {
  return found === undefined
    ? null
    : {
        stream: found.stream,
        version: found.version,
        metadata: found.metadata,
        recent: isRecent(found.savedAt),
        ...payload(found),
      };
}

/** What is known about a stream. */
export function stream(found: mink.StreamInfo): Fields {
  return {
    stream: found.stream,
    category: found.category,
    version: found.version,
    first_version: found.firstVersion,
    events: found.events,
    last_position: found.lastPosition,
    snapshot_version: found.snapshotVersion,
    deleted: found.deleted,
    tombstoned: found.tombstoned,
  };
}

/** Where the events of an append are. */
export function appended(found: mink.AppendResult): Fields {
  return { ...places(found), version: found.version, replayed: found.replayed };
}

/** Where the events of an append to several streams are. */
export function appendedMany(found: mink.AppendManyResult): Fields {
  const streams = found.streams.map((part) => ({ ...places(part), stream: part.stream, version: part.version }));
  return { ...places(found), streams, replayed: found.replayed };
}

function places({ firstPosition, lastPosition }: { firstPosition: bigint; lastPosition: bigint }): Fields {
  return { first_position: firstPosition, last_position: lastPosition };
}

/** What went wrong. */
export function error(found: Error): Fields {
  if (!(found instanceof mink.MinkError)) {
    // What JavaScript itself calls a wrong argument.
    const isArgument = found instanceof TypeError || found instanceof RangeError;
    return { type: isArgument ? "ArgumentError" : found.name, also: [] };
  }
  const also = Object.entries(KINDS)
    .filter(([name, kind]) => found instanceof kind && found.name !== name)
    .map(([name]) => name);
  return { type: found.name, also: also.sort(), reason: found.reason, ...dataOf(found) };
}

function dataOf(found: mink.MinkError): Fields {
  if (found instanceof mink.WrongExpectedVersion) {
    const { stream, expected, actual } = found;
    return { stream, expected, actual, violations: found.violations.map((violation) => ({ ...violation })) };
  }
  if (found instanceof mink.EventIdConflict) {
    return { event_id: found.eventId };
  }
  if (found instanceof mink.StreamNotFound || found instanceof mink.SnapshotNotFound) {
    return { stream: found.stream };
  }
  if (found instanceof mink.InvalidRequest) {
    return { fields: found.fields.map(({ field }) => field).sort() };
  }
  if (found instanceof mink.PositionAhead) {
    return { position: found.position, head: found.head, log_id: found.logId };
  }
  if (found instanceof mink.TooLarge) {
    return { size: found.size, limit: found.limit };
  }
  if (found instanceof mink.AccessError) {
    return { ...some("role", found.role), ...some("stream", found.stream) };
  }
  if (found instanceof mink.Unavailable || found instanceof mink.Overloaded) {
    return some("retry_after", found.retryAfterMs === undefined ? undefined : found.retryAfterMs / 1000);
  }
  if (found instanceof mink.CredentialsError) {
    // The cases write names as the protos do.
    return { argument: found.argument.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) };
  }
  return {};
}

function some(name: string, value: Value | undefined): Fields {
  return value === undefined ? {} : { [name]: value };
}

function payload(found: mink.Payload): Fields {
  return found.isJson ? { json: found.text } : { binary: Buffer.from(found.data).toString("base64") };
}

function isRecent(moment: Date): boolean {
  return Math.abs(Date.now() - moment.getTime()) < RECENT;
}
