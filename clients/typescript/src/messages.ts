/** The messages of a call that answers with a stream, taken one by one. */

import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";

import type { CallSpan } from "./tracing.js";

/** What `next` gives when nothing came in time. */
export const LATE = Symbol("late");
/** What `next` gives when the server has ended the call well. */
export const END = Symbol("end");

/** The messages of one call, as bytes. The call reads ahead a little, and then not before somebody takes what came. */
export class Messages {
  readonly #call: ClientReadableStream<Buffer>;
  readonly #span: CallSpan | undefined;
  #failure: { error: unknown } | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  /**
   * @param call - The call.
   * @param translate - What a failure means.
   * @param span - Its span; ends with it.
   */
  constructor(call: ClientReadableStream<Buffer>, translate: (error: ServiceError) => Error, span?: CallSpan) {
    this.#call = call;
    this.#span = span;
    call.on("readable", () => {
      this.#wakeUp();
    });
    call.on("end", () => {
      this.#ended = true;
      this.#wakeUp();
    });
    call.on("error", (error: ServiceError) => {
      this.#failure ??= { error: translate(error) };
      this.#wakeUp();
    });
  }

  /**
   * The next message. One caller at a time.
   *
   * @param patienceMs - Milliseconds to wait at most.
   * @returns `LATE` if nothing came in time, `END` if the server ended the call.
   * @throws What the call failed with, behind all messages that came before.
   */
  async next(patienceMs: number): Promise<Buffer | typeof LATE | typeof END> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const message = this.#call.read() as Buffer | null;
      if (message !== null) {
        return message;
      }
      if (this.#failure !== undefined) {
        this.#span?.end(this.#failure.error);
        throw this.#failure.error;
      }
      if (this.#ended) {
        this.#span?.end();
        return END;
      }
      const left = until - performance.now();
      if (left <= 0) {
        return LATE;
      }
      await this.#wait(left);
    }
  }

  /** Ends the call, because its reader has enough. That is no failure. */
  cancel(): void {
    this.#span?.end();
    this.#call.cancel();
    this.#wakeUp();
  }

  /** Ends the call; whoever waits for a message gets the reason. What came and was not taken is dropped. */
  interrupt(reason: unknown): void {
    this.#failure = { error: reason };
    this.#span?.end(reason);
    this.#call.cancel();
    while ((this.#call.read() as Buffer | null) !== null);
    this.#wakeUp();
  }

  async #wait(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  #wakeUp(): void {
    this.#wake?.();
  }
}
