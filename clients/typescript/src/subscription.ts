/** Following the log, for as long as it takes: a subscription that carries on by itself when the connection breaks. */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

import { type Connection, methodOf } from "./connection.js";
import { DeadlineExceeded, MinkError, ShuttingDown, Unavailable } from "./errors.js";
import { NO_EVENTS, readBatch } from "./event-batch.js";
import type { EventFilter } from "./filter.js";
import { EventStore, SubscribeAllRequestSchema, SubscribeAllResponseSchema } from "./gen/mink/v1/event_store_pb.js";
import type { Interrupts } from "./interrupts.js";
import type { Logger } from "./log.js";
import { END, LATE, type Messages } from "./messages.js";
import { leavable } from "./reading.js";
import type { RecordedEvent } from "./recorded-event.js";
import { Backoff, isTransient, lateText } from "./retry.js";
import { BYTES, Reader } from "./wire-reader.js";

const PATH = methodOf(EventStore.method.subscribeAll).path;
const EVENTS = (1 << 3) | BYTES; // the tag of SubscribeAllResponse.events

/** @internal What a subscription is made of. */
export interface SubscriptionParts {
  readonly connection: Connection;
  readonly interrupts: Interrupts;
  readonly log: Logger;
  /** Where to begin: after this position, or at the end. */
  readonly start: bigint | "end";
  readonly filter: EventFilter;
  /** The id of the log that the position came from; empty: not known. */
  readonly logId: string;
  /** Milliseconds that the first answer may take, with all retries. */
  readonly timeoutMs: number;
  /** Milliseconds without any message after which the connection counts as broken. */
  readonly silenceTimeoutMs: number;
}

/**
 * Follows the log: everything after a position, in order, then what is appended. Iterate over it for events, or over `batches()` for speed;
 * with one loop at a time.
 *
 * Each event comes once. When the server goes away, stops, or falls silent, the subscription connects again and carries on after the last
 * position seen. A loop that is left ends the call; another loop goes on with the next event. `close` ends it for good.
 */
export class Subscription implements AsyncIterable<RecordedEvent>, AsyncDisposable {
  readonly #parts: SubscriptionParts;
  readonly #waits = new Backoff();
  #closed = false;
  #messages: Messages | undefined;
  #stopListening: (() => void) | undefined;
  #cutPause: (() => void) | undefined;
  #leaves = 0; // how many loops were left
  #version = 0; // of the credentials of the call
  #answered = false;
  #giveUpAt: number | undefined;
  #receiving: Promise<unknown> = Promise.resolve();

  #fromEnd: boolean;
  #logId: string;
  #head = 0n;
  #caughtUp = false;
  #position: bigint; // everything up to it is delivered, once `#events` is used up
  #events = NO_EVENTS;
  #last: RecordedEvent | undefined; // delivered last, out of `#events`

  /** @internal */
  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.#fromEnd = parts.start === "end";
    this.#position = parts.start === "end" ? 0n : parts.start;
    this.#logId = parts.logId;
  }

  /** The checkpoint: every event that passes the filter up to this position has been delivered. Resume after it. */
  get position(): bigint {
    return this.#last?.position ?? this.#position;
  }

  /** Whether all events that the log had were delivered, and what follows is live. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /** The newest position that the server has told of; 0 before the first message. */
  get head(): bigint {
    const { position } = this;
    return this.#head > position ? this.#head : position;
  }

  /** How many positions the subscription is behind the head, as far as is known. */
  get lag(): bigint {
    return this.head - this.position;
  }

  /** The log's id, a UUID; empty before the first message. Keep it with the checkpoint, and give both to the next subscription. */
  get logId(): string {
    return this.#logId;
  }

  /** The events, one by one. `position` is then that of the event given last. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RecordedEvent, undefined> {
    // Written by hand, because a generator costs twice as much for each event.
    const iterator: AsyncIterableIterator<RecordedEvent, undefined> = {
      [Symbol.asyncIterator]: () => iterator,
      next: () => {
        const event = this.#parts.interrupts.interrupted ? undefined : this.#take();
        const leaves = this.#leaves;
        return event === undefined
          ? this.#inTurn(() => this.#next(leaves))
          : Promise.resolve({ done: false, value: event });
      },
      return: () => {
        this.#leave();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    return iterator;
  }

  /**
   * The events, in lists of as many as the server sends at once: for speed. `position` is then behind the whole list.
   *
   * @param options - `idle`: give an empty list whenever the server says something else (a checkpoint every few seconds, caught up, fell
   * behind), so that the caller can save `position` also when nothing matches.
   */
  batches({ idle = false }: { readonly idle?: boolean } = {}): AsyncGenerator<RecordedEvent[], undefined> {
    return leavable(this.#batches(idle), () => {
      this.#leave();
    });
  }

  async *#batches(idle: boolean): AsyncGenerator<RecordedEvent[], undefined> {
    try {
      for (;;) {
        const leaves = this.#leaves;
        if (this.#events.length > 0) {
          this.#last = undefined;
          yield this.#events.takeAll();
        } else if (!(await this.#inTurn(() => this.#receive(leaves)))) {
          return;
        } else if (idle && this.#events.length === 0) {
          yield [];
        }
      }
    } finally {
      this.#hangUp();
    }
  }

  /** Ends the subscription: loops over it end. */
  close(): void {
    this.#closed = true;
    this.#hangUp();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /** Ends the call of a loop that is left. */
  #leave(): void {
    this.#leaves++;
    this.#hangUp();
  }

  #take(): RecordedEvent | undefined {
    const event = this.#closed ? undefined : this.#events.take();
    if (event !== undefined) {
      this.#last = event;
    }
    return event;
  }

  async #next(leaves: number): Promise<IteratorResult<RecordedEvent, undefined>> {
    for (;;) {
      if (this.#isLeft(leaves)) {
        return { done: true, value: undefined };
      }
      this.#parts.interrupts.check();
      const value = this.#take();
      if (value !== undefined) {
        return { done: false, value };
      }
      if (!(await this.#receive(leaves))) {
        return { done: true, value: undefined };
      }
    }
  }

  /** Whoever asks for several messages at once gets them one after the other. */
  #inTurn<T>(does: () => Promise<T>): Promise<T> {
    const turn = this.#receiving.then(does);
    this.#receiving = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Takes the next message; over a new call if the present one breaks.
   *
   * @param leaves - How many loops had been left when it was asked for.
   * @returns Whether there was one; false if its loop was left, or the subscription closed.
   * @throws MinkError - It failed for good.
   */
  async #receive(leaves: number): Promise<boolean> {
    const { connection, interrupts, timeoutMs } = this.#parts;
    this.#giveUpAt ??= performance.now() + timeoutMs;
    for (;;) {
      if (this.#isLeft(leaves)) {
        return false;
      }
      this.#last = undefined;
      interrupts.check();
      await connection.credentials.open();
      const failure = await this.#nextMessage();
      if (failure === undefined) {
        return true;
      }
      this.#hangUp();
      if (this.#isLeft(leaves)) {
        return false;
      }
      if (!(failure instanceof MinkError)) {
        throw failure;
      }
      if (await this.#waits.renews(connection, this.#version, failure)) {
        continue;
      }
      const delay = this.#waits.next(failure);
      // A server that has never answered may not be one; a server that has will be back.
      const unknown = !this.#answered && performance.now() + delay >= this.#giveUpAt;
      if (unknown || !isTransient(failure)) {
        throw failure;
      }
      this.#sayInterrupted(failure, delay);
      const pause = interrupts.pause(delay);
      this.#cutPause = pause.cut;
      await pause.over;
    }
  }

  /** Whether the loop was left, or the subscription closed, while a message was waited for. */
  #isLeft(leaves: number): boolean {
    return this.#closed || this.#leaves !== leaves;
  }

  /** Takes one message of the present call; or says why there is none. */
  async #nextMessage(): Promise<Error | undefined> {
    try {
      this.#messages ??= this.#dial();
      const message = await this.#messages.next(this.#patience());
      if (message === LATE) {
        return this.#silence();
      }
      if (message === END) {
        return new Unavailable("UNAVAILABLE", "the server ended the subscription");
      }
      this.#saw(message);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #saw(message: Buffer): void {
    const reader = new Reader(message);
    if (reader.uint32() === EVENTS) {
      const end = reader.block();
      const { events, second } = readBatch(message, reader.at, end);
      this.#events = events;
      this.#move(second);
    } else {
      this.#heard(message);
    }
    if (this.#waits.attempts > 0) {
      this.#parts.log.info(`subscription carries on after position ${this.#position}`);
    }
    this.#waits.reset();
    this.#answered = true;
  }

  /** Takes a message without events. */
  #heard(bytes: Buffer): void {
    const { message } = fromBinary(SubscribeAllResponseSchema, bytes);
    switch (message.case) {
      case "checkpoint":
        this.#move(message.value.position);
        this.#head = message.value.head;
        this.#logId = message.value.logId;
        break;
      case "caughtUp":
        this.#move(message.value.position);
        this.#caughtUp = true;
        break;
      case "fellBehind":
        this.#move(message.value.position);
        this.#caughtUp = false;
        break;
    }
  }

  #move(position: bigint): void {
    this.#position = position;
    this.#fromEnd = false;
  }

  #dial(): Messages {
    const { connection, filter, interrupts } = this.#parts;
    const request = create(SubscribeAllRequestSchema, {
      start: this.#fromEnd ? { case: "fromEnd", value: true } : { case: "afterPosition", value: this.#position },
      filter,
      logId: this.#logId,
    });
    this.#version = connection.version;
    const messages = connection.stream(PATH, Buffer.from(toBinary(SubscribeAllRequestSchema, request)), false);
    this.#stopListening = interrupts.listen((reason) => {
      messages.interrupt(reason);
    });
    return messages;
  }

  #hangUp(): void {
    this.#caughtUp = false;
    this.#cutPause?.();
    this.#cutPause = undefined;
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#messages?.cancel();
    this.#messages = undefined;
  }

  #sayInterrupted(failure: MinkError, delay: number): void {
    // A server that ends the call on purpose is nothing to worry about.
    const worth = this.#waits.attempts === 1 && !(failure instanceof ShuttingDown);
    const seconds = (delay / 1000).toFixed(1);
    const text = `subscription interrupted at position ${this.#position}: ${failure.message}; again in ${seconds} s`;
    if (worth) {
      this.#parts.log.warn(text);
    } else {
      this.#parts.log.info(text);
    }
  }

  #patience(): number {
    const { silenceTimeoutMs, timeoutMs } = this.#parts;
    return this.#answered ? silenceTimeoutMs : Math.min(silenceTimeoutMs, timeoutMs);
  }

  #silence(): MinkError {
    const { target } = this.#parts.connection;
    const patience = this.#patience();
    if (!this.#answered && performance.now() >= (this.#giveUpAt ?? Infinity)) {
      return new DeadlineExceeded(lateText(target, this.#parts.timeoutMs));
    }
    const seconds = patience / 1000;
    return new Unavailable("UNAVAILABLE", `no message from Mink at ${target} for ${seconds} s, not even a checkpoint`);
  }
}
