/** The operations of the cases on a client: each takes its arguments as the case says them, and gives what the client gives. */

import { ROOT_CONTEXT, context } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { defaultTextMapGetter, trace } from "@opentelemetry/api";

import type { Mink, Reading } from "../src/index.js";
import * as given from "./given.js";
import type { Scope } from "./scope.js";
import * as told from "./told.js";
import { type Fields, RunnerError, type Value, number, text } from "./values.js";

/** Appends; the events still have their words in braces. */
export async function append(mink: Mink, said: Fields, scope: Scope): Promise<Fields> {
  const events = given.events(said["events"] ?? [], scope);
  const options = { expected: given.expected(said["expected"]) };
  return inTrace(said["trace"], async () => told.appended(await mink.append(text(said["stream"]), events, options)));
}

/** Appends to several streams; the parts still have their words in braces. */
export async function appendMany(mink: Mink, said: Fields, scope: Scope): Promise<Fields> {
  return told.appendedMany(await mink.appendMany(given.parts(said["appends"] ?? null, scope)));
}

/** The operations whose arguments have no words in braces any more, by name. */
export const ON_CLIENT: Readonly<Record<string, (mink: Mink, said: Fields) => Promise<Fields>>> = {
  read_stream: async (mink, said) => {
    const options = some(said, { from_version: "fromVersion", backwards: "backwards", limit: "limit" });
    return { events: await all(mink.readStream(text(said["stream"]), options)) };
  },
  read_all: async (mink, said) => {
    const options = some(said, { after: "after", before: "before", backwards: "backwards", limit: "limit" });
    return { events: await all(mink.readAll({ ...options, ...given.filters(said) })) };
  },
  load: async (mink, said) => {
    const { snapshot, events } = await mink.load(text(said["stream"]));
    return { snapshot: told.snapshot(snapshot), events: events.map(told.event) };
  },
  get_stream: async (mink, said) => told.stream(await mink.getStream(text(said["stream"]))),
  list_streams: async (mink, said) => {
    const streams: Value[] = [];
    const options = {
      ...some(said, { include_deleted: "includeDeleted" }),
      ...(said["prefix"] === undefined ? {} : { prefix: text(said["prefix"]) }),
      ...(said["page_size"] === undefined ? {} : { pageSize: number(said["page_size"]) }),
    };
    for await (const stream of mink.listStreams(options)) {
      streams.push(told.stream(stream));
    }
    return { streams };
  },
  truncate_stream: async (mink, said) => ({
    ...(await mink.truncateStream(text(said["stream"]), {
      beforeVersion: given.whole(said["before_version"] ?? null),
    })),
  }),
  delete_stream: async (mink, said) => {
    const options = { expected: given.expected(said["expected"]), ...some(said, { tombstone: "tombstone" }) };
    return { ...(await mink.deleteStream(text(said["stream"]), options)) };
  },
  save_snapshot: async (mink, said) => {
    const saved = await mink.saveSnapshot(text(said["stream"]), {
      version: given.whole(said["version"] ?? null),
      ...(said["binary"] === undefined ? { json: text(said["json"]) } : { state: given.bytes(said["binary"]) }),
      ...(said["metadata"] === undefined ? {} : { metadata: given.metadata(said["metadata"]) }),
    });
    return { ...saved };
  },
  load_snapshot: async (mink, said) => ({ snapshot: told.snapshot(await mink.loadSnapshot(text(said["stream"]))) }),
  delete_snapshot: async (mink, said) => ({ version: await mink.deleteSnapshot(text(said["stream"])) }),
  close: async (mink) => {
    await mink.close();
    return {};
  },
};

/** Those of the arguments that the case says, by the names that the client has for them. */
export function some(said: Fields, names: Record<string, string>): Record<string, never> {
  const found = Object.entries(names).flatMap(([name, ours]) => (said[name] === undefined ? [] : [[ours, said[name]]]));
  return Object.fromEntries(found) as Record<string, never>;
}

async function all(reading: Reading): Promise<Value[]> {
  const events: Value[] = [];
  for await (const event of reading) {
    events.push(told.event(event));
  }
  return events;
}

/** Within the trace that a `traceparent` names, if there is one. */
async function inTrace<T>(traceparent: Value | undefined, does: () => Promise<T>): Promise<T> {
  if (traceparent === undefined) {
    return does();
  }
  const found = new W3CTraceContextPropagator().extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter);
  if (trace.getSpanContext(found) === undefined) {
    throw new RunnerError(`${text(traceparent)} names no trace`);
  }
  return context.with(found, does);
}
