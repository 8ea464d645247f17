/** Appends from their callers to their results: what waits, what is under way, what is to be sent again, and until when. */

import { type Outcome, type Sending, readResults, writeSessionRequest } from "./append-messages.js";
import { DeadlineExceeded, MinkError } from "./errors.js";
import { onAbort } from "./interrupts.js";
import { backoff, isTransient } from "./retry.js";

const MOST_APPENDS = 256; // in one message
/** Bytes in one message. A larger append goes by itself, over a call of its own: if it is too large, no other suffers. */
export const MOST_BYTES = 1024 * 1024;
const MOST_IN_FLIGHT = 10_000; // sent and not answered
const TICK = 10; // milliseconds that are at least between two looks at all deadlines

/** One append, from its caller to its result. */
interface Append extends Sending {
  readonly number: number;
  readonly deadline: number;
  readonly resolve: (result: Exclude<Outcome, Error>) => void;
  readonly reject: (reason: unknown) => void;
  leftMs: number;
  attempts: number;
  /** Of the last attempt. */
  error: MinkError | undefined;
  /** Its caller has its answer, or does not wait any more. */
  done: boolean;
}

/** The appends of one client that have no result yet. One timer watches over all deadlines. */
export class AppendQueue {
  readonly #target: string;
  readonly #wake: () => void;
  #queue: Append[] = [];
  #head = 0; // where the queue begins: taking from an array's beginning would move all of it
  readonly #inFlight = new Map<number, Append>();
  #delayed: { due: number; append: Append }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  /** Why there is no session; undefined while results come. */
  #down: MinkError | undefined;

  /**
   * @param target - The server's address.
   * @param wake - Called when there may be something to send.
   */
  constructor(target: string, wake: () => void) {
    this.#target = target;
    this.#wake = wake;
  }

  /** Whether nothing waits for a result. */
  get isEmpty(): boolean {
    return this.#queued === 0 && this.#inFlight.size === 0 && this.#delayed.length === 0;
  }

  /** Whether something waits and may be sent. */
  get isReady(): boolean {
    return this.#queued > 0 && this.#inFlight.size < MOST_IN_FLIGHT;
  }

  get #queued(): number {
    return this.#queue.length - this.#head;
  }

  /**
   * Adds an append, and waits for what becomes of it.
   *
   * @param number - Its number in the session.
   * @param body - A `SessionAppend` without its timeout.
   * @param deadline - When it is to be given up, by `performance.now()`.
   * @param signal - What gives it up before.
   */
  async add(
    number: number,
    body: Buffer,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Exclude<Outcome, Error>> {
    let off: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const append: Append = {
          number,
          body,
          deadline,
          leftMs: 0,
          resolve,
          reject,
          attempts: 0,
          error: undefined,
          done: false,
        };
        this.#queue.push(append);
        this.#wakeBy(deadline);
        this.#timer?.ref();
        if (signal !== undefined) {
          off = onAbort(signal, () => {
            fail(append, signal.reason);
            // Nobody waits for its result any more; neither does closing. Where it still waits to be sent, it is passed over.
            this.#inFlight.delete(number);
            this.#rest();
            this.#wake();
          });
        }
        this.#wake();
      });
    } finally {
      off?.();
    }
  }

  /** Everything that has gathered, within the bounds of one message; undefined if nothing is to be sent. */
  message(): Buffer | undefined {
    const sending: Append[] = [];
    const now = performance.now();
    let bytes = 0;
    let room = Math.min(MOST_APPENDS, MOST_IN_FLIGHT - this.#inFlight.size);
    while (this.#head < this.#queue.length && room > 0) {
      const append = this.#queue[this.#head];
      if (append?.done === false) {
        bytes += append.body.length;
        if (bytes > MOST_BYTES && sending.length > 0) {
          break;
        }
        room--;
        append.leftMs = append.deadline - now;
        this.#inFlight.set(append.number, append);
        sending.push(append);
      }
      this.#head++;
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head >= MOST_IN_FLIGHT) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return sending.length > 0 ? writeSessionRequest(sending) : undefined;
  }

  /** Takes an `AppendSessionResponse`. */
  results(response: Buffer): void {
    this.#down = undefined;
    readResults(response, (number, outcome) => {
      const append = this.#inFlight.get(number);
      this.#inFlight.delete(number);
      if (append === undefined || append.done) {
        return; // its caller did not wait for it
      }
      if (outcome instanceof MinkError) {
        this.#failed(append, outcome);
      } else if (!(outcome instanceof Error)) {
        append.done = true;
        append.resolve(outcome);
      }
    });
    this.#rest();
    this.#wake();
  }

  /** The call broke: what was in flight goes to the front of the queue, or fails with everything else. */
  broken(error: MinkError): void {
    this.#down = error;
    if (!isTransient(error)) {
      this.failAll(error);
      return;
    }
    for (const append of this.#inFlight.values()) {
      append.attempts++;
      append.error = error;
    }
    this.sendAgain();
  }

  /** Puts what was sent and not answered to the front of the queue. */
  sendAgain(): void {
    this.#queue = [...this.#inFlight.values(), ...this.#queue.slice(this.#head)];
    this.#head = 0;
    this.#inFlight.clear();
  }

  /** Fails everything. */
  failAll(error: unknown): void {
    const all = [...this.#all()];
    this.#queue = [];
    this.#head = 0;
    this.#inFlight.clear();
    this.#delayed = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
    for (const append of all) {
      fail(append, error);
    }
  }

  /** One append failed: it is sent again later, or its caller is told. */
  #failed(append: Append, error: MinkError): void {
    const due = performance.now() + backoff(append.attempts, error);
    append.attempts++;
    append.error = error;
    if (isTransient(error) && due < append.deadline) {
      this.#delayed.push({ due, append });
      this.#wakeBy(due);
    } else {
      fail(append, error);
    }
  }

  *#all(): Generator<Append> {
    yield* this.#inFlight.values();
    yield* this.#queue.slice(this.#head);
    for (const { append } of this.#delayed) {
      yield append;
    }
  }

  /** A deadline that nobody waits for keeps no process. */
  #rest(): void {
    if (this.isEmpty) {
      this.#timer?.unref();
    }
  }

  #wakeBy(when: number): void {
    if (when >= this.#timerAt) {
      return;
    }
    clearTimeout(this.#timer);
    this.#timerAt = when;
    this.#timer = setTimeout(
      () => {
        this.#tick();
      },
      Math.max(when - performance.now(), 0) + 1, // a timer may come a moment too early
    );
  }

  /** Fails what is over its time, and queues what is due to be sent again. */
  #tick(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = performance.now();
    let soonest = Infinity;
    for (const append of this.#all()) {
      if (append.deadline <= now) {
        fail(append, this.#down ?? append.error ?? this.#late());
      }
      if (append.done) {
        this.#inFlight.delete(append.number);
      } else {
        soonest = Math.min(soonest, append.deadline);
      }
    }
    this.#queue = this.#queue.slice(this.#head).filter((append) => !append.done);
    this.#head = 0;
    const delayed = this.#delayed.filter(({ append }) => !append.done);
    this.#delayed = delayed.filter(({ due }) => due > now);
    this.#queue.push(...delayed.filter(({ due }) => due <= now).map(({ append }) => append));
    for (const { due } of this.#delayed) {
      soonest = Math.min(soonest, due);
    }
    if (soonest < Infinity) {
      this.#wakeBy(Math.max(soonest, now + TICK));
    }
    this.#wake();
  }

  #late(): MinkError {
    return new DeadlineExceeded(
      `no answer from Mink at ${this.#target} in time; whether the append was made is unknown`,
    );
  }
}

function fail(append: Append, reason: unknown): void {
  if (!append.done) {
    append.done = true;
    append.reject(reason);
  }
}
