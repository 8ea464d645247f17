/** What the cases give to the client: events, expectations, options. */

import {
  type EventOptions,
  type Expected,
  type FilterOptions,
  Mink,
  type MinkOptions,
  type NewEvent,
  type StreamAppend,
  binaryEvent,
  rawJsonEvent,
} from "../src/index.js";
import { replaced } from "./braces.js";
import { Scope } from "./scope.js";
import { type Fields, type Value, fields, isFields, list, number, text } from "./values.js";

/** Metadata. */
export function metadata(said: Value): Record<string, string> {
  return Object.fromEntries(Object.entries(fields(said)).map(([key, value]) => [key, text(value)]));
}

/** A position, a version or a limit. */
export function whole(said: Value): bigint | number {
  return said as bigint | number;
}

/** An expectation. */
export function expected(said: Value | undefined): Expected {
  return said as Expected;
}

/** Bytes in base64. */
export function bytes(said: Value): Uint8Array {
  return new Uint8Array(Buffer.from(text(said), "base64"));
}

/**
 * Events to append.
 *
 * @param said - As they stand in the case, before words in braces are replaced: a kind of which there are many has one each.
 */
export function events(said: Value, scope: Scope): NewEvent[] {
  if (!isFields(said)) {
    return list(said).map((one) => event(fields(replaced(one, scope.known))));
  }
  const { count, ...kind } = said;
  return Array.from({ length: number(replaced(count ?? 1n, scope.known)) }, (_, index) =>
    event(fields(replaced(kind, new Scope(scope, index + 1).known))),
  );
}

function event(said: Fields): NewEvent {
  const type = text(said["type"]);
  const options: EventOptions = {
    ...(said["id"] === undefined ? {} : { id: text(said["id"]) }),
    ...(said["metadata"] === undefined ? {} : { metadata: metadata(said["metadata"]) }),
  };
  if (said["binary"] !== undefined) {
    return binaryEvent(type, bytes(said["binary"]), options);
  }
  if (said["binary_size"] !== undefined) {
    return binaryEvent(type, new Uint8Array(number(said["binary_size"])), options);
  }
  const size = said["json_size"];
  return rawJsonEvent(type, size === undefined ? text(said["json"]) : `"${"x".repeat(number(size) - 2)}"`, options);
}

/** The parts of an append to several streams. */
export function parts(said: Value, scope: Scope): StreamAppend[] {
  return list(said).map((one) => {
    const part = fields(one);
    return {
      stream: text(replaced(part["stream"] ?? null, scope.known)),
      events: events(part["events"] ?? [], scope),
      expected: expected(replaced(part["expected"] ?? null, scope.known)),
    };
  });
}

/** The filter that arguments say. */
export function filters(said: Fields): FilterOptions {
  const names = { streams: "streams", stream_prefixes: "streamPrefixes", categories: "categories", types: "types" };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, ours]) => {
      const value = said[name];
      return value === undefined ? [] : [[ours, list(value).map(text)]];
    }),
  );
}

/**
 * A client, as the step `client` says.
 *
 * @param address - Where it goes if that does not say.
 */
export function client(said: Fields, address: string): Mink {
  const { timeout, token, token_file: tokenFile, tls, insecure_token: insecureToken } = said;
  const options: MinkOptions = {
    ...(timeout === undefined ? {} : { timeoutMs: number(timeout) * 1000 }),
    ...(token === undefined ? {} : { token: text(token) }),
    ...(tokenFile === undefined ? {} : { tokenFile: text(tokenFile) }),
    ...(insecureToken === undefined ? {} : { insecureToken: insecureToken === true }),
    ...(tls === undefined ? {} : { tls: isFields(tls) ? tlsFiles(tls) : tls === true }),
  };
  return new Mink(said["address"] === undefined ? address : text(said["address"]), options);
}

function tlsFiles(said: Fields): Record<string, string> {
  const names = { ca_file: "caFile", cert_file: "certFile", key_file: "keyFile", server_name: "serverName" };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, ours]) => {
      const value = said[name];
      return value === undefined ? [] : [[ours, text(value)]];
    }),
  );
}
