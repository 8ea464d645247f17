/** The client: what a program says to Mink. */

import { type DescMessage, type MessageInitShape, type MessageShape, create } from "@bufbuild/protobuf";

import { checkedAddress } from "./address.js";
import type { AppendManyResult, AppendResult, StreamAppend } from "./append-types.js";
import { type AppendBounds, Appender } from "./appender.js";
import { Connection, type Method, methodOf } from "./connection.js";
import { Credentials } from "./credentials.js";
import { MinkError, Unavailable } from "./errors.js";
import { toExpectation } from "./expectation.js";
import { eventFilter } from "./filter.js";
import { EventStore } from "./gen/mink/v1/event_store_pb.js";
import { Snapshots } from "./gen/mink/v1/snapshots_pb.js";
import { checkKeys, checkLogger, checkSignal, given } from "./given.js";
import { Interrupts } from "./interrupts.js";
import { LogReading } from "./log-reading.js";
import { type Logger, PROCESS_WARNINGS } from "./log.js";
import type { NewEvent } from "./new-event.js";
import { milliseconds, whole } from "./numbers.js";
import type * as options from "./options.js";
import { toJson } from "./payload.js";
import { type Reading, reading } from "./reading.js";
import type { RecordedEvent } from "./recorded-event.js";
import { call, until, wasRefused } from "./retry.js";
import { Snapshot, type SnapshotSaved } from "./snapshot.js";
import { type Removed, type StreamInfo, streamInfo } from "./stream-info.js";
import { StreamReading } from "./stream-reading.js";
import { Subscription } from "./subscription.js";
import { checkMetadata, checkText } from "./text.js";
import { chooseTls } from "./tls.js";
import { chooseToken } from "./tokens.js";

const DEFAULT_SERVER = "localhost:50051";
const SERVER_VARIABLE = "MINK_SERVER";
const DEFAULT_TIMEOUT = 10_000;
const DEFAULT_SILENCE = 15_000;
const CLOSING_GRACE = 5_000;
const HEALTH = "/grpc.health.v1.Health/Check";
const FILTER = ["streams", "streamPrefixes", "categories", "types", "timeoutMs", "signal"];
const READ_ALL_OPTIONS = ["after", "before", "backwards", "limit", ...FILTER];
const SUBSCRIBE_OPTIONS = ["after", "fromEnd", "logId", "silenceTimeoutMs", ...FILTER];

const { getStream, listStreams, truncateStream, deleteStream } = EventStore.method;
const { saveSnapshot, loadSnapshot, deleteSnapshot } = Snapshots.method;
const METHODS = {
  getStream: methodOf(getStream),
  listStreams: methodOf(listStreams),
  truncateStream: methodOf(truncateStream),
  deleteStream: methodOf(deleteStream),
  saveSnapshot: methodOf(saveSnapshot),
  loadSnapshot: methodOf(loadSnapshot),
  deleteSnapshot: methodOf(deleteSnapshot),
};

/**
 * A connection to a Mink server. Make it once, share it, and close it at the end: what its callers append at the same time travels in the
 * same messages.
 *
 * Calls that fail throw a `MinkError`; which one is said where it is not obvious. What every call can throw: `Unavailable` (with
 * `DatabaseUnavailable` and `ShuttingDown`), `Overloaded`, `DeadlineExceeded`, `Unauthenticated`, `PermissionDenied`, `InvalidRequest`,
 * `InternalError`, `ClientClosed`; and the reason of its `signal`. An argument that cannot be sent is a `TypeError` or a `RangeError` that
 * names it, before anything is sent.
 */
export class Mink implements AsyncDisposable {
  /** The server's address. */
  readonly server: string;
  /** Milliseconds that a call may take, with its retries, unless the call says otherwise. */
  readonly timeoutMs: number;
  readonly #log: Logger;
  readonly #connection: Connection;
  readonly #appender: Appender;
  #closing: Promise<void> | undefined;

  /**
   * Prepares a client. Nothing is connected before the first call.
   *
   * @param server - The server's address, `host:port`, or one with a scheme of gRPC's, such as `dns:///host:port`. Not given: the
   * variable `MINK_SERVER`, or `localhost:50051`.
   * @throws CredentialsError - A file cannot be used, or the token would go to another machine in clear.
   * @throws RangeError - The timeout is not above zero, or the address has no port, or is a URL.
   */
  constructor(server?: string, options: options.MinkOptions = {}) {
    const { timeoutMs, tls, token, tokenFile, insecureToken, logger } = given(options);
    checkLogger(logger);
    this.timeoutMs = milliseconds("timeoutMs", timeoutMs ?? DEFAULT_TIMEOUT);
    this.server =
      server !== undefined && server !== ""
        ? checkedAddress(server)
        : checkedAddress(process.env[SERVER_VARIABLE] || DEFAULT_SERVER, SERVER_VARIABLE);
    this.#log = logger ?? PROCESS_WARNINGS;
    const credentials = new Credentials({
      target: this.server,
      tls: chooseTls(tls),
      ...chooseToken(token, tokenFile),
      insecureToken: insecureToken ?? false,
      log: this.#log,
    });
    this.#connection = new Connection(this.server, credentials);
    this.#appender = new Appender(this.#connection);
  }

  /**
   * Connects now and not with the first call, and without waiting for a server that is away: for whoever wants to know. Asks for the
   * server's health, and takes any answer for one: whether the server is a Mink, serves, and lets this client in, the first call tells.
   *
   * @throws Unavailable - Nobody answers at the address.
   * @throws DeadlineExceeded - It took longer.
   */
  async connect(options: options.CallOptions = {}): Promise<void> {
    const { timeoutMs, interrupts } = this.#bounds(options);
    const ask = (leftMs: number): Promise<Buffer> =>
      this.#connection.unaryBytes(HEALTH, Buffer.alloc(0), leftMs, interrupts);
    try {
      await until(this.#connection, { timeoutMs, interrupts, mayRetry: () => false }, ask);
    } catch (error) {
      // Any other answer is one.
      if (!(error instanceof MinkError) || error instanceof Unavailable || isOurs(error)) {
        throw error;
      }
    }
  }

  /** Waits up to five seconds for the appends under way, and disconnects. Every other call ends with `ClientClosed`. */
  close(): Promise<void> {
    this.#closing ??= this.#appender.close(CLOSING_GRACE).finally(() => {
      this.#connection.close();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // Append.

  /**
   * Appends events to one stream, all or none. They are committed and flushed when this returns. It is sent again by itself when the
   * server is away or overloaded, which is safe: the events' ids say what is the same.
   *
   * @param stream - The stream's name, 1 to 500 characters.
   * @param events - The events, in order; at least one.
   * @returns Where the events are.
   * @throws WrongExpectedVersion - The stream is not as expected.
   * @throws EventIdConflict - The id of an event is already there, for another append.
   * @throws StreamDeleted - The stream has a tombstone.
   * @throws EventTooLarge - One event is larger than the server takes.
   * @throws RequestTooLarge - The events together are.
   */
  async append(stream: string, events: readonly NewEvent[], options: options.AppendOptions): Promise<AppendResult> {
    const { expected, timeoutMs, signal } = given(options);
    return this.#appender.append(stream, events, expected, this.#appendBounds(timeoutMs, signal));
  }

  /**
   * Appends events to several streams, all or none.
   *
   * @param appends - One entry a stream, each with its own expectation. An entry without events is only checked. At least one has events.
   * @returns Where the events are, with one entry for each entry given.
   * @throws WrongExpectedVersion - Streams are not as expected; `violations` names every one. What else: as with `append`.
   */
  async appendMany(appends: readonly StreamAppend[], options: options.CallOptions = {}): Promise<AppendManyResult> {
    const { timeoutMs, signal } = given(options);
    return this.#appender.appendMany(appends, this.#appendBounds(timeoutMs, signal));
  }

  // Read.

  /**
   * The events of a stream.
   *
   * @param stream - The stream's name.
   * @throws StreamNotFound - No event was ever appended to the stream. Thrown by the iteration.
   * @throws StreamDeleted - The stream was deleted. Thrown by the iteration.
   */
  readStream(stream: string, options: options.ReadStreamOptions = {}): Reading {
    const { timeoutMs, interrupts } = this.#bounds(options);
    const question = {
      stream: text("stream", stream),
      fromVersion: whole("fromVersion", options.fromVersion ?? 0n),
      backwards: options.backwards ?? false,
      limit: whole("limit", options.limit ?? 0n),
      sinceSnapshot: false,
    };
    return reading(() => new StreamReading(this.#connection, question, timeoutMs, interrupts), interrupts);
  }

  /**
   * The log as it stands; ends at the head that the log had when the reading began.
   *
   * @throws PositionAhead - `after` lies beyond the head. Thrown by the iteration.
   * @throws TypeError - `after` was given backwards, or `before` forwards; or an option that there is not.
   */
  readAll(options: options.ReadAllOptions = {}): Reading {
    const { timeoutMs, interrupts } = this.#bounds(options);
    checkKeys(options, READ_ALL_OPTIONS);
    const backwards = options.backwards ?? false;
    const after = whole("after", options.after ?? 0n);
    const before = whole("before", options.before ?? 0n);
    if (after !== 0n && backwards) {
      throw new TypeError("after: goes with reading forwards; backwards, use `before`");
    }
    if (before !== 0n && !backwards) {
      throw new TypeError("before: goes with reading backwards; forwards, use `after`");
    }
    const question = {
      position: backwards ? before : after,
      backwards,
      limit: whole("limit", options.limit ?? 0n),
      filter: eventFilter(options),
    };
    return reading(() => new LogReading(this.#connection, question, timeoutMs, interrupts), interrupts);
  }

  /**
   * The newest snapshot of a stream, and the events that follow it, in one call.
   *
   * @returns The snapshot, or undefined if there is none; and the events after it, oldest first.
   * @throws StreamNotFound - No event was ever appended to the stream.
   * @throws StreamDeleted - The stream was deleted.
   */
  async load(
    stream: string,
    options: options.CallOptions = {},
  ): Promise<{ snapshot: Snapshot | undefined; events: RecordedEvent[] }> {
    const { timeoutMs, interrupts } = this.#bounds(options);
    const question = {
      stream: text("stream", stream),
      fromVersion: 0n,
      backwards: false,
      limit: 0n,
      sinceSnapshot: true,
    };
    const batches = new StreamReading(this.#connection, question, timeoutMs, interrupts);
    const events: RecordedEvent[] = [];
    try {
      for (let batch = await batches.next(); batch !== undefined; batch = await batches.next()) {
        for (const event of batch.takeAll()) {
          events.push(event);
        }
      }
    } finally {
      batches.close();
    }
    return { snapshot: batches.snapshot, events };
  }

  // Subscribe.

  /**
   * Follows the log: everything after a position, then what is appended. It catches up, goes on live, and carries on by itself after the
   * last position seen when the connection breaks, the server stops, or nothing is heard of it.
   *
   * @throws PositionAhead - `after` lies beyond the head, or belongs to another log. Thrown by the iteration; final.
   * @throws TypeError - Both `after` and `fromEnd` were given; or an option that there is not.
   */
  subscribeAll(options: options.SubscribeOptions = {}): Subscription {
    const { timeoutMs, interrupts } = this.#bounds(options);
    checkKeys(options, SUBSCRIBE_OPTIONS);
    const after = whole("after", options.after ?? 0n);
    if (options.fromEnd && after !== 0n) {
      throw new TypeError("after, fromEnd: one of the two");
    }
    return new Subscription({
      connection: this.#connection,
      interrupts,
      log: this.#log,
      start: options.fromEnd ? "end" : after,
      filter: eventFilter(options),
      logId: text("logId", options.logId ?? ""),
      timeoutMs,
      silenceTimeoutMs: milliseconds("silenceTimeoutMs", options.silenceTimeoutMs ?? DEFAULT_SILENCE),
    });
  }

  // Snapshots.

  /**
   * Saves a state, so that a load replays only what follows. A newer snapshot that is there is kept.
   *
   * @throws InvalidRequest - The version is ahead of the stream.
   * @throws StreamNotFound - No event was ever appended to the stream.
   * @throws StreamDeleted - The stream was deleted.
   * @throws EventTooLarge, RequestTooLarge - The state is larger than the server takes.
   */
  async saveSnapshot(stream: string, options: options.SaveSnapshotOptions): Promise<SnapshotSaved> {
    const { version, state, json, metadata } = given(options);
    if (state !== undefined && json !== undefined) {
      throw new TypeError("state, json: one of the two");
    }
    if (metadata !== undefined) {
      checkMetadata("metadata", metadata);
    }
    const answer = await this.#call(METHODS.saveSnapshot, options, {
      stream: text("stream", stream),
      version: whole("version", version),
      state:
        state instanceof Uint8Array
          ? { case: "binary", value: state }
          : { case: "json", value: json === undefined ? toJson("state", state) : text("json", json) },
      metadata: { ...metadata },
    });
    return { saved: answer.saved, version: answer.version };
  }

  /**
   * The newest snapshot of a stream.
   *
   * @throws SnapshotNotFound - There is none.
   * @throws StreamNotFound - No event was ever appended to the stream.
   * @throws StreamDeleted - The stream was deleted.
   */
  async loadSnapshot(stream: string, options: options.CallOptions = {}): Promise<Snapshot> {
    const { snapshot } = await this.#call(METHODS.loadSnapshot, options, { stream: text("stream", stream) });
    if (snapshot === undefined) {
      throw new MinkError("INTERNAL", "the server answered without a snapshot");
    }
    return new Snapshot(snapshot);
  }

  /**
   * Deletes the snapshot of a stream.
   *
   * @returns The version of the snapshot that was deleted.
   * @throws SnapshotNotFound - There is none.
   * @throws StreamNotFound - No event was ever appended to the stream.
   * @throws StreamDeleted - The stream was deleted.
   */
  async deleteSnapshot(stream: string, options: options.CallOptions = {}): Promise<bigint> {
    const { version } = await this.#remove(METHODS.deleteSnapshot, options, { stream: text("stream", stream) });
    return version;
  }

  // Streams.

  /**
   * What is known about a stream.
   *
   * @throws StreamNotFound - No event was ever appended to the stream.
   * @throws StreamDeleted - The stream was deleted.
   */
  async getStream(stream: string, options: options.CallOptions = {}): Promise<StreamInfo> {
    const answer = await this.#call(METHODS.getStream, options, { stream: text("stream", stream) });
    if (answer.stream === undefined) {
      throw new MinkError("INTERNAL", "the server answered without a stream");
    }
    return streamInfo(answer.stream);
  }

  /** The streams in the order of their names; the next page is asked for when it is needed. */
  async *listStreams(options: options.ListStreamsOptions = {}): AsyncGenerator<StreamInfo, undefined> {
    const { prefix, pageSize: size, includeDeleted } = given(options);
    const pageSize = Number(whole("pageSize", size ?? 0));
    if (pageSize >= 2 ** 31) {
      throw new RangeError(`pageSize: less than 2^31, not ${pageSize}`);
    }
    let pageToken = "";
    do {
      const page = await this.#call(METHODS.listStreams, options, {
        prefix: text("prefix", prefix ?? ""),
        includeDeleted: includeDeleted ?? false,
        pageSize,
        pageToken,
      });
      yield* page.streams.map(streamInfo);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /**
   * Removes the events of a stream before a version, for good.
   *
   * @returns How many events were removed, and the stream's version, which does not change.
   * @throws StreamNotFound - No event was ever appended to the stream.
   * @throws StreamDeleted - The stream was deleted.
   */
  async truncateStream(stream: string, options: options.TruncateOptions): Promise<Removed> {
    const { beforeVersion } = given(options);
    const { removed, version } = await this.#remove(METHODS.truncateStream, options, {
      stream: text("stream", stream),
      beforeVersion: whole("beforeVersion", beforeVersion),
    });
    return { removed, version };
  }

  /**
   * Removes all events of a stream and its snapshot, for good.
   *
   * @returns How many events were removed, and the version that the stream had.
   * @throws WrongExpectedVersion - The stream is not as expected.
   * @throws StreamNotFound - No event was ever appended to the stream.
   * @throws StreamDeleted - The stream was deleted before.
   */
  async deleteStream(stream: string, options: options.DeleteOptions): Promise<Removed> {
    const { expected, tombstone } = given(options);
    const { removed, version } = await this.#remove(METHODS.deleteStream, options, {
      stream: text("stream", stream),
      expectation: toExpectation(expected),
      tombstone: tombstone ?? false,
    });
    return { removed, version };
  }

  // Helpers.

  async #call<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    options: options.CallOptions,
    fields: MessageInitShape<I>,
    mayRetry?: (error: unknown) => boolean,
  ): Promise<MessageShape<O>> {
    return call(this.#connection, method, create(method.input, fields), { ...this.#bounds(options), mayRetry });
  }

  /** A call that is not sent again when its outcome is unknown: the second answer would be that there is nothing to remove. */
  async #remove<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    options: options.CallOptions,
    fields: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    return this.#call(method, options, fields, wasRefused);
  }

  #bounds(options: options.CallOptions): { timeoutMs: number; interrupts: Interrupts } {
    const { timeoutMs, signal } = given(options);
    checkSignal(signal);
    return { timeoutMs: this.#milliseconds(timeoutMs), interrupts: new Interrupts(this.#connection, signal) };
  }

  #appendBounds(timeoutMs: number | undefined, signal: AbortSignal | undefined): AppendBounds {
    checkSignal(signal);
    return { timeoutMs: this.#milliseconds(timeoutMs), signal };
  }

  #milliseconds(timeoutMs: number | undefined): number {
    return timeoutMs === undefined ? this.timeoutMs : milliseconds("timeoutMs", timeoutMs);
  }
}

/** Whether an error is this client's own, and no answer. */
function isOurs(error: MinkError): boolean {
  return ["DEADLINE_EXCEEDED", "CLIENT_CLOSED", "CREDENTIALS"].includes(error.reason);
}

function text(name: string, value: string): string {
  checkText(name, value);
  return value;
}
