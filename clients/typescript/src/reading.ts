/** What a reading gives: events one by one, or in the batches that the server sends. */

import { type EventList, NO_EVENTS } from "./event-batch.js";
import type { Interrupts } from "./interrupts.js";
import type { RecordedEvent } from "./recorded-event.js";

/**
 * A reading of a stream or of the log. Iterate over it for events, or over `batches()` for speed. Each iteration reads anew; one that is
 * left before its end ends its call.
 */
export interface Reading extends AsyncIterable<RecordedEvent> {
  /** The events, in lists of as many as the server sends at once; none is empty. */
  batches(): AsyncIterableIterator<RecordedEvent[]>;
}

/** @internal One iteration: gives batches until there are no more. */
export interface Batches {
  /** The next events; undefined at the end. */
  next(): Promise<EventList | undefined>;
  /** Ends the call that is open. */
  close(): void;
}

/** @internal A reading out of what begins an iteration. */
export function reading(begin: () => Batches, interrupts: Interrupts): Reading {
  return {
    batches: () => {
      const batches = begin();
      return leavable(batchesOf(batches), () => {
        batches.close();
      });
    },
    [Symbol.asyncIterator]: () => new EventIterator(begin(), interrupts),
  };
}

/**
 * @internal
 * A generator whose `return` does not wait for what the generator waits for.
 *
 * @param end - Ends what it waits for.
 */
export function leavable<T>(generator: AsyncGenerator<T, undefined>, end: () => void): AsyncGenerator<T, undefined> {
  const finish = generator.return.bind(generator);
  generator.return = () => {
    end();
    void finish(undefined);
    return Promise.resolve({ done: true, value: undefined });
  };
  return generator;
}

async function* batchesOf(batches: Batches): AsyncGenerator<RecordedEvent[], undefined> {
  try {
    for (;;) {
      const batch = await batches.next();
      if (batch === undefined) {
        return;
      }
      yield batch.takeAll();
    }
  } finally {
    batches.close();
  }
}

/** Events one by one. Written by hand, because a generator costs twice as much for each event. */
class EventIterator implements AsyncIterableIterator<RecordedEvent, undefined> {
  readonly #batches: Batches;
  readonly #interrupts: Interrupts;
  #batch = NO_EVENTS;
  #done = false;
  #receiving: Promise<unknown> = Promise.resolve();

  constructor(batches: Batches, interrupts: Interrupts) {
    this.#batches = batches;
    this.#interrupts = interrupts;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<RecordedEvent, undefined>> {
    const event = this.#interrupts.interrupted ? undefined : this.#batch.take();
    if (event !== undefined) {
      return Promise.resolve({ done: false, value: event });
    }
    // Whoever asks for several at once gets them one after the other.
    const next = this.#receiving.then(() => this.#receive());
    this.#receiving = next.catch(() => undefined);
    return next;
  }

  return(): Promise<IteratorResult<RecordedEvent, undefined>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  async #receive(): Promise<IteratorResult<RecordedEvent, undefined>> {
    try {
      while (!this.#done) {
        this.#interrupts.check();
        const event = this.#batch.take();
        if (event !== undefined) {
          return { done: false, value: event };
        }
        const batch = await this.#batches.next();
        if (batch === undefined) {
          this.#finish();
        } else if (!this.#isDone()) {
          this.#batch = batch;
        }
      }
      return { done: true, value: undefined };
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  /** It may have become so while a batch was waited for. */
  #isDone(): boolean {
    return this.#done;
  }

  #finish(): void {
    this.#done = true;
    this.#batch = NO_EVENTS;
    this.#batches.close();
  }
}
