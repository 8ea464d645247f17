/** The messages of a reading: of a call, and of the calls that carry on where a broken one ended. */

import type { Connection } from "./connection.js";
import { DeadlineExceeded, MinkError } from "./errors.js";
import type { Interrupts } from "./interrupts.js";
import { END, LATE, type Messages } from "./messages.js";
import { Backoff, isTransient, lateText } from "./retry.js";

/** Reads messages, and begins a call again when it breaks. */
export class Source {
  readonly #connection: Connection;
  readonly #begin: () => Messages | undefined;
  readonly #timeoutMs: number;
  readonly #interrupts: Interrupts;
  readonly #waits = new Backoff();
  #messages: Messages | undefined;
  #stopListening: (() => void) | undefined;
  #version = 0; // of the credentials of the call
  #closed = false;

  /**
   * Prepares; nothing is sent before the first message is asked for.
   *
   * @param connection - Where the calls go.
   * @param begin - Begins a call after what was seen so far; undefined if there is nothing left to see.
   * @param timeoutMs - Milliseconds that each message may take, with all attempts to get it.
   * @param interrupts - What ends the reading before its time.
   */
  constructor(connection: Connection, begin: () => Messages | undefined, timeoutMs: number, interrupts: Interrupts) {
    this.#connection = connection;
    this.#begin = begin;
    this.#timeoutMs = timeoutMs;
    this.#interrupts = interrupts;
  }

  /**
   * The next message; undefined at the end, and when it is closed.
   *
   * @throws MinkError - The reading failed for good, or no message came in time.
   */
  async next(): Promise<Buffer | undefined> {
    const deadline = performance.now() + this.#timeoutMs;
    let last: MinkError | undefined;
    await this.#connection.credentials.open();
    for (;;) {
      if (this.#isClosed()) {
        return undefined;
      }
      this.#interrupts.check();
      if (this.#messages === undefined) {
        this.#version = this.#connection.version;
        this.#messages = this.#begin();
        if (this.#messages === undefined) {
          return undefined;
        }
        this.#stopListening = this.#interrupts.listen((reason) => this.#messages?.interrupt(reason));
      }
      try {
        const message = await this.#messages.next(deadline - performance.now());
        if (message === LATE) {
          throw last ?? new DeadlineExceeded(lateText(this.#connection.target, this.#timeoutMs));
        }
        this.#waits.reset();
        return message === END ? undefined : message;
      } catch (error) {
        if (this.#isClosed()) {
          return undefined;
        }
        this.#hangUp();
        if (!(error instanceof MinkError)) {
          throw error;
        }
        if (await this.#waits.renews(this.#connection, this.#version, error)) {
          continue;
        }
        const delay = this.#waits.next(error);
        if (!isTransient(error) || performance.now() + delay >= deadline) {
          throw error;
        }
        last = error;
        await this.#interrupts.sleep(delay);
      }
    }
  }

  /** Ends the reading, and the call that is open, if there is one. */
  close(): void {
    this.#closed = true;
    this.#hangUp();
  }

  /** It may have been closed while something was waited for. */
  #isClosed(): boolean {
    return this.#closed;
  }

  #hangUp(): void {
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#messages?.cancel();
    this.#messages = undefined;
  }
}
