/** What ends a wait before its time: the caller's `AbortSignal`, or the closing of the client. */

/** Somewhere that tells when it closes. */
export interface Closing {
  /** What the calls under way end with; undefined while it is open. */
  readonly closed: Error | undefined;
  /** Has a function called when it closes. Gives back what takes that back. */
  onClose(listener: (reason: Error) => void): () => void;
}

/** The interrupts of one operation. */
export class Interrupts {
  readonly #closing: Closing;
  readonly #signal: AbortSignal | undefined;

  /**
   * @param closing - The connection.
   * @param signal - The caller's, if it gave one.
   */
  constructor(closing: Closing, signal: AbortSignal | undefined) {
    this.#closing = closing;
    this.#signal = signal;
  }

  /** Throws the reason, if there is one already: the signal's own, or `ClientClosed`. */
  check(): void {
    this.#signal?.throwIfAborted();
    if (this.#closing.closed !== undefined) {
      throw this.#closing.closed;
    }
  }

  /** Whether there is a reason already. */
  get interrupted(): boolean {
    return this.#signal?.aborted === true || this.#closing.closed !== undefined;
  }

  /** Has a function called, once, when one comes. Gives back what takes that back. */
  listen(listener: (reason: unknown) => void): () => void {
    const signal = this.#signal;
    const onAbort = (): void => {
      off();
      listener(signal?.reason);
    };
    const offClose = this.#closing.onClose((reason) => {
      off();
      listener(reason);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    const off = (): void => {
      offClose();
      signal?.removeEventListener("abort", onAbort);
    };
    return off;
  }

  /** Waits for so many milliseconds, or throws the reason of an interrupt. */
  async sleep(milliseconds: number): Promise<void> {
    await this.pause(milliseconds).over;
  }

  /** The same, for whoever may want to cut it short: `cut` ends the wait well. */
  pause(milliseconds: number): { readonly over: Promise<void>; readonly cut: () => void } {
    let cut = (): void => undefined;
    const over = new Promise<void>((resolve, reject) => {
      this.check();
      const off = this.listen((reason) => {
        clearTimeout(timer);
        // It is what the caller's signal says.
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
        reject(reason);
      });
      cut = () => {
        clearTimeout(timer);
        off();
        resolve();
      };
      const timer = setTimeout(cut, milliseconds);
    });
    return { over, cut };
  }
}
