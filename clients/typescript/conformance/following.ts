/** The subscriptions of a case. */

import type { RecordedEvent, Subscription } from "../src/index.js";
import * as told from "./told.js";
import { type Fields, RunnerError, shown } from "./values.js";

const PATIENCE = 20_000;
const LOOK = 10;

type Next = Promise<{ event: RecordedEvent | undefined } | { error: unknown }>;

/**
 * A subscription, from which events are taken one by one. The event that is waited for is kept when a step ends before it comes: to break
 * off the waiting would break off the call.
 */
export class Followed {
  readonly #subscription: Subscription;
  #iterator: AsyncIterator<RecordedEvent, undefined>;
  #pending: Next | undefined;
  #isThere = false;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
    this.#iterator = subscription[Symbol.asyncIterator]();
  }

  /** Takes events. */
  async next(count: number): Promise<Fields> {
    const found: Fields[] = [];
    const end = performance.now() + PATIENCE;
    while (found.length < count) {
      if (!(await this.#came(end))) {
        throw new RunnerError(`${found.length} of ${count} events came in time: ${shown(found.slice(-3))}`);
      }
      found.push(await this.#take());
    }
    return { events: found, position: this.#subscription.position };
  }

  /** Takes messages until the subscription has caught up. */
  async caughtUp(): Promise<Fields> {
    const found: Fields[] = [];
    const end = performance.now() + PATIENCE;
    while (!this.#subscription.caughtUp || this.#isThere) {
      if (await this.#came(Math.min(end, performance.now() + LOOK))) {
        found.push(await this.#take());
      } else if (performance.now() > end) {
        throw new RunnerError(`not caught up in time, after ${found.length} events`);
      }
    }
    const { position, head, logId } = this.#subscription;
    return { events: found, position, head, log_id: logId };
  }

  /** Waits for events that are not to come. */
  async quiet(seconds: number): Promise<Fields> {
    if (await this.#came(performance.now() + seconds * 1000)) {
      throw new RunnerError(`an event came, where none was to come for ${seconds} s: ${shown(await this.#take())}`);
    }
    return { position: this.#subscription.position };
  }

  /** Takes events until the subscription fails, which is thrown. */
  async ended(): Promise<Fields> {
    const end = performance.now() + PATIENCE;
    let count = 0;
    while (await this.#came(end)) {
      await this.#take();
      count++;
    }
    throw new RunnerError(`the subscription did not end in time, after ${count} events`);
  }

  /** Ends the subscription. */
  close(): void {
    this.#subscription.close();
  }

  /** Waits for the next event, or for the subscription's end; false: neither came in time. */
  async #came(end: number): Promise<boolean> {
    if (this.#pending === undefined) {
      this.#pending = this.#iterator.next().then(
        ({ value }) => ({ event: value }),
        (error: unknown) => ({ error }),
      );
      void this.#pending.then(() => {
        this.#isThere = true;
      });
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, Math.max(end - performance.now(), 0));
    });
    await Promise.race([this.#pending, late]);
    clearTimeout(timer);
    return this.#isThere;
  }

  async #take(): Promise<Fields> {
    const pending = await this.#pending;
    this.#pending = undefined;
    this.#isThere = false;
    if (pending === undefined || "error" in pending) {
      this.#iterator = this.#subscription[Symbol.asyncIterator]();
      throw pending?.error instanceof Error ? pending.error : new RunnerError(`no error: ${String(pending?.error)}`);
    }
    if (pending.event === undefined) {
      throw new RunnerError("the subscription ended as if it had been closed");
    }
    return told.event(pending.event);
  }
}
