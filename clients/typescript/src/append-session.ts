/** One AppendSession: the call that the appends of all callers share, for as long as it lives. */

import { type ClientDuplexStream, type ServiceError, type StatusObject, status as Code } from "@grpc/grpc-js";

import { type Connection, methodOf } from "./connection.js";
import { EventStore } from "./gen/mink/v1/event_store_pb.js";

const PATH = methodOf(EventStore.method.appendSession).path;
const GOODBYE = 1000; // milliseconds that the server has to end the call after the last append was answered

/** An open call. */
export class AppendSession {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  #over = false;
  #finished = false;
  #written: (() => void) | undefined;
  /** What the call ended with; undefined if the server ended it well. */
  readonly ended: Promise<ServiceError | undefined>;

  /**
   * Opens a call.
   *
   * @param connection - Where it goes.
   * @param onResponse - Called with each `AppendSessionResponse`.
   * @param onEnd - Called when it is over.
   */
  constructor(connection: Connection, onResponse: (response: Buffer) => void, onEnd: () => void) {
    this.#call = connection.session(PATH);
    this.#call.on("data", onResponse);
    this.ended = new Promise((resolve) => {
      let failure: ServiceError | undefined;
      this.#call.on("error", (error: ServiceError) => {
        failure ??= error;
      });
      this.#call.on("status", (status: StatusObject) => {
        // What came before the status is read first.
        setImmediate(() => {
          this.#over = true;
          this.#written?.();
          resolve(status.code === Code.OK ? undefined : (failure ?? Object.assign(new Error(status.details), status)));
          onEnd();
        });
      });
    });
  }

  /** Whether the call has ended. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Whether it was this client that wanted it to end. */
  get isFinished(): boolean {
    return this.#finished;
  }

  /** Sends a message, and waits until there is room for the next one, or the call is over. */
  async write(message: Buffer): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#written = resolve;
      this.#call.write(message, () => {
        resolve();
      });
    });
    this.#written = undefined;
  }

  /** Says that nothing more will be sent, and ends the call if the server does not. */
  finish(): void {
    if (this.#over) {
      return;
    }
    this.#finished = true;
    this.#call.end();
    const timer = setTimeout(() => {
      this.#call.cancel();
    }, GOODBYE);
    void this.ended.then(() => {
      clearTimeout(timer);
    });
  }
}
