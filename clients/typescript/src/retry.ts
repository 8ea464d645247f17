/** When to try again, and how long to wait before that. */

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";

import type { Connection, Method } from "./connection.js";
import { DeadlineExceeded, MinkError, Overloaded, ShuttingDown, Unauthenticated, Unavailable } from "./errors.js";
import type { Interrupts } from "./interrupts.js";

const FIRST = 50;
const LONGEST = 2000;

/** Whether the same call can succeed a moment later, and may be sent again if sending it twice does no harm. */
export function isTransient(error: unknown): error is Unavailable | Overloaded {
  return error instanceof Unavailable || error instanceof Overloaded;
}

/** Whether the server certainly did nothing: then even a call that must not be sent twice may be sent again. */
export function wasRefused(error: unknown): boolean {
  return error instanceof Overloaded || error instanceof ShuttingDown;
}

/** Milliseconds to wait after a failure that so many failures came before: doubling, with jitter, and never less than the server asks for. */
export function backoff(attempts: number, error: unknown): number {
  const delay = Math.min(LONGEST, FIRST * 2 ** Math.min(attempts, 10)) * between(0.5, 1);
  const asked = isTransient(error) ? error.retryAfterMs : undefined;
  // Those who were sent away together should not come back together.
  return asked ? Math.max(delay, asked * between(1, 1.2)) : delay;
}

function between(low: number, high: number): number {
  return low + Math.random() * (high - low);
}

/** The failures since the last success. */
export class Backoff {
  /** How many there were. */
  attempts = 0;
  #renewed = false;

  /** The last attempt succeeded. */
  reset(): void {
    this.attempts = 0;
    this.#renewed = false;
  }

  /**
   * Whether to try again at once, because the server refused a token that has been replaced; once between successes.
   *
   * @param connection - Where the call went.
   * @param version - The version of the credentials with which it began.
   */
  async renews(connection: Connection, version: number, error: unknown): Promise<boolean> {
    if (this.#renewed || !(error instanceof Unauthenticated)) {
      return false;
    }
    this.#renewed = true;
    return connection.credentials.renew(version);
  }

  /** Milliseconds to wait after one more failure. */
  next(error: unknown): number {
    return backoff(this.attempts++, error);
  }
}

/** What is said of a call that is made until it succeeds. */
export interface Attempts {
  /** Milliseconds for all attempts together. */
  readonly timeoutMs: number;
  /** What ends it before. */
  readonly interrupts: Interrupts;
  /** Which failures to try again after; not said: the transient ones. */
  readonly mayRetry?: ((error: unknown) => boolean) | undefined;
}

/** Makes a unary call, again and again until it succeeds, fails for good, or the time is over; then it throws the last failure. */
export async function call<I extends DescMessage, O extends DescMessage>(
  connection: Connection,
  method: Method<I, O>,
  request: MessageShape<I>,
  attempts: Attempts,
): Promise<MessageShape<O>> {
  const { interrupts } = attempts;
  return until(connection, attempts, (leftMs) => connection.unary(method, request, leftMs, interrupts));
}

/**
 * Makes attempts until one succeeds, fails for good, or the time is over; then it throws the last failure.
 *
 * @param attempt - Makes one; it gets the milliseconds that are left.
 */
export async function until<T>(
  connection: Connection,
  { timeoutMs, interrupts, mayRetry = isTransient }: Attempts,
  attempt: (leftMs: number) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  const waits = new Backoff();
  let last: MinkError | undefined;
  await connection.credentials.open();
  for (;;) {
    interrupts.check();
    const { version } = connection;
    try {
      return await attempt(Math.max(deadline - performance.now(), 1));
    } catch (error) {
      if (!(error instanceof MinkError)) {
        throw error;
      }
      if (error instanceof DeadlineExceeded) {
        throw last ?? new DeadlineExceeded(lateText(connection.target, timeoutMs), { cause: error });
      }
      if (await waits.renews(connection, version, error)) {
        continue;
      }
      const delay = waits.next(error);
      if (!mayRetry(error) || performance.now() + delay >= deadline) {
        throw error;
      }
      last = error;
      await interrupts.sleep(delay);
    }
  }
}

/** The words for a server that did not answer. */
export function lateText(target: string, timeoutMs: number): string {
  return `no answer from Mink at ${target} within ${timeoutMs / 1000} s`;
}
