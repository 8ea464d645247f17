/** What ends a wait before its time: the caller's `AbortSignal`, or the closing of the client. */

/** Who waits for a signal, and what the signal calls. */
interface Waiting {
  readonly listeners: Set<() => void>;
  readonly call: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Has a function called when a signal aborts. Gives back what takes that back. A signal may be shared by hundreds of calls, and gets one
 * listener for all of them: Node warns of more than ten.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const { listeners, call } = waiting.get(signal) ?? listenTo(signal);
  listeners.add(listener);
  return () => {
    if (listeners.delete(listener) && listeners.size === 0) {
      signal.removeEventListener("abort", call);
      waiting.delete(signal);
    }
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const listeners = new Set<() => void>();
  const call = (): void => {
    listeners.forEach((listener) => {
      listener();
    });
  };
  const found = { listeners, call };
  waiting.set(signal, found);
  signal.addEventListener("abort", call, { once: true });
  return found;
}

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
    const offClose = this.#closing.onClose((reason) => {
      off();
      listener(reason);
    });
    const offAbort =
      signal &&
      onAbort(signal, () => {
        off();
        listener(signal.reason);
      });
    const off = (): void => {
      offClose();
      offAbort?.();
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
