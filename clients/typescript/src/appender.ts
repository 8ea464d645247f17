/** Appends, coalesced: what all callers have in flight goes over one call, in as few messages as there can be. */

import { fromBinary } from "@bufbuild/protobuf";

import {
  type Outcome,
  type Trace,
  appendedMany,
  readAppended,
  requestOf,
  writeAppend,
  writeAppendMany,
} from "./append-messages.js";
import { AppendQueue, MOST_BYTES } from "./append-queue.js";
import { AppendSession } from "./append-session.js";
import type { AppendManyResult, AppendResult, StreamAppend } from "./append-types.js";
import { type Connection, methodOf } from "./connection.js";
import { ClientClosed, type MinkError, Unauthenticated, Unavailable } from "./errors.js";
import type { Expected } from "./expectation.js";
import { AppendToStreamsResponseSchema, EventStore } from "./gen/mink/v1/event_store_pb.js";
import { Interrupts } from "./interrupts.js";
import type { NewEvent } from "./new-event.js";
import { Backoff, isTransient, until } from "./retry.js";
import { type CallSpan, tracing } from "./tracing.js";

const ONE = methodOf(EventStore.method.appendToStream).path;
const SEVERAL = methodOf(EventStore.method.appendToStreams).path;

/**
 * Milliseconds without an append after which the session ends; the next append opens another one. An open call keeps the process, also
 * that of a program that forgot to close its client.
 */
const IDLE = 2000;

type Result = Exclude<Outcome, Error>;

/** How an append may end before its time. */
export interface AppendBounds {
  /** Milliseconds, with all retries. */
  readonly timeoutMs: number;
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Sends appends over one AppendSession, and opens another one when it breaks.
 *
 * Callers put their appends into a queue. What has gathered since the last write goes as one message, so the messages grow with the load,
 * and a lone caller waits for nobody but those who append in the same turn of the event loop.
 */
export class Appender {
  readonly #connection: Connection;
  readonly #queue: AppendQueue;
  readonly #waits = new Backoff();
  #numbers = 0;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #closing = false;

  /** @param connection - Where the appends go. */
  constructor(connection: Connection) {
    this.#connection = connection;
    this.#queue = new AppendQueue(connection.target, () => this.#wake?.());
  }

  /** Appends to one stream; see `Mink.append`. */
  async append(
    stream: string,
    events: readonly NewEvent[],
    expected: Expected,
    bounds: AppendBounds,
  ): Promise<AppendResult> {
    const write = (number: number, trace: Trace | undefined): Buffer =>
      writeAppend(number, stream, events, expected, trace);
    return (await this.#send(ONE, write, readAppended, bounds)) as AppendResult;
  }

  /** Appends to several streams; see `Mink.appendMany`. */
  async appendMany(appends: readonly StreamAppend[], bounds: AppendBounds): Promise<AppendManyResult> {
    const write = (number: number, trace: Trace | undefined): Buffer => writeAppendMany(number, appends, trace);
    const read = (bytes: Buffer): Result => appendedMany(fromBinary(AppendToStreamsResponseSchema, bytes));
    return (await this.#send(SEVERAL, write, read, bounds)) as AppendManyResult;
  }

  /**
   * Refuses new appends, waits for those under way, and fails what is left after the grace.
   *
   * @param graceMs - Milliseconds.
   */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#wake?.();
    if (this.#running !== undefined) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([this.#running, late]);
      clearTimeout(timer);
    }
    this.#queue.failAll(
      new ClientClosed("the client was closed before the append was answered; whether it was made is unknown"),
    );
    this.#wake?.();
  }

  async #send(
    path: string,
    write: (number: number, trace: Trace | undefined) => Buffer,
    read: (bytes: Buffer) => Result,
    bounds: AppendBounds,
  ): Promise<Result> {
    const span = tracing()?.start(path, this.#connection.target);
    const number = ++this.#numbers;
    if (span === undefined) {
      return this.#sendBytes(path, number, write(number, undefined), read, bounds, undefined);
    }
    try {
      const result = await this.#sendBytes(path, number, write(number, span.forEvents()), read, bounds, span);
      span.end();
      return result;
    } catch (error) {
      span.end(error);
      throw error;
    }
  }

  async #sendBytes(
    path: string,
    number: number,
    body: Buffer,
    read: (bytes: Buffer) => Result,
    { timeoutMs, signal }: AppendBounds,
    span: CallSpan | undefined,
  ): Promise<Result> {
    const connection = this.#connection;
    if (body.length > MOST_BYTES) {
      const request = requestOf(body);
      const interrupts = new Interrupts(connection, signal);
      const attempt = (leftMs: number): Promise<Buffer> =>
        connection.unaryBytes(path, request, leftMs, interrupts, span);
      return read(await until(connection, { timeoutMs, interrupts }, attempt));
    }
    const deadline = performance.now() + timeoutMs;
    signal?.throwIfAborted();
    if (!connection.credentials.isOpen) {
      await connection.credentials.open();
      signal?.throwIfAborted();
    }
    const { version } = connection;
    try {
      return await this.#enqueue(number, body, deadline, signal);
    } catch (error) {
      // With another token, if there is one; whoever sends opens another session for it.
      if (error instanceof Unauthenticated && (await connection.credentials.renew(version))) {
        signal?.throwIfAborted();
        return this.#enqueue(number, body, deadline, signal);
      }
      throw error;
    }
  }

  #enqueue(number: number, body: Buffer, deadline: number, signal: AbortSignal | undefined): Promise<Result> {
    if (this.#closing) {
      throw new ClientClosed("the client is closed");
    }
    const result = this.#queue.add(number, body, deadline, signal);
    if (this.#running === undefined) {
      const run = (): Promise<void> => this.#run();
      // What serves all callers runs in no caller's trace.
      this.#running = tracing()?.outside(run) ?? run();
    }
    return result;
  }

  // The call: opened when there is something to send, and again when it breaks.

  async #run(): Promise<void> {
    try {
      while (await this.#somethingToSend()) {
        const error = await this.#session();
        if (error !== undefined) {
          this.#queue.broken(error);
          if (isTransient(error)) {
            await this.#pause(this.#waits.next(error));
          }
        }
      }
    } catch (error) {
      // A bug of ours must not leave callers waiting.
      this.#closing = true;
      this.#queue.failAll(error);
    }
  }

  /**
   * Sends and receives over one call until it ends.
   *
   * @returns Why it broke; undefined if it ended because this client is closing, is idle, or has other credentials.
   */
  async #session(): Promise<MinkError | undefined> {
    const connection = this.#connection;
    if (connection.closed !== undefined) {
      return new ClientClosed("the client is closed");
    }
    const { version } = connection;
    const session = new AppendSession(
      connection,
      (response) => {
        this.#waits.reset();
        this.#queue.results(response);
      },
      () => this.#wake?.(),
    );
    await this.#write(session, version);
    const failure = await session.ended;
    if (failure !== undefined) {
      return connection.error(failure);
    }
    if (session.isFinished || (this.#closing && this.#queue.isEmpty) || connection.version !== version) {
      this.#queue.sendAgain();
      return undefined;
    }
    return new Unavailable("UNAVAILABLE", `Mink at ${connection.target} ended the append session`);
  }

  /** Writes what gathers, message by message, until the call is over or idle, there will be nothing more, or there are other credentials. */
  async #write(session: AppendSession, version: number): Promise<void> {
    while (await this.#somethingToSend(session)) {
      // Those who append in the same turn of the event loop travel together.
      await new Promise(setImmediate);
      // A session that was opened with other credentials ends: what it has sent is answered, the rest takes the next one.
      if (session.isOver || this.#connection.version !== version) {
        break;
      }
      const message = this.#queue.message();
      if (message !== undefined) {
        await session.write(message);
      }
    }
    session.finish();
  }

  /** Waits until there is something to send; false if there never will be, or not over this call, which is over or idle. */
  async #somethingToSend(session?: AppendSession): Promise<boolean> {
    while (!this.#queue.isReady) {
      if (session?.isOver || (this.#closing && this.#queue.isEmpty)) {
        return false;
      }
      let timer: NodeJS.Timeout | undefined;
      const idle = await new Promise<boolean>((resolve) => {
        this.#wake = () => {
          resolve(false);
        };
        if (session !== undefined && this.#queue.isEmpty) {
          timer = setTimeout(resolve, IDLE, true);
        }
      });
      clearTimeout(timer);
      this.#wake = undefined;
      if (idle) {
        return false;
      }
    }
    return !session?.isOver;
  }

  /** Waits before the next session; closing does not wait for it. */
  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const off = this.#connection.onClose(() => {
        clearTimeout(timer);
        resolve();
      });
      const timer = setTimeout(() => {
        off();
        resolve();
      }, milliseconds);
    });
  }
}
