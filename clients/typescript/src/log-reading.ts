/** Reading the log as it stands: resumed after the last position seen if the connection breaks. */

import { type MessageInitShape, create, toBinary } from "@bufbuild/protobuf";

import { type Connection, methodOf } from "./connection.js";
import { type EventList, readBatch } from "./event-batch.js";
import type { EventFilter } from "./filter.js";
import { EventStore, ReadAllRequestSchema, ReadDirection } from "./gen/mink/v1/event_store_pb.js";
import type { Interrupts } from "./interrupts.js";
import type { Messages } from "./messages.js";
import type { Batches } from "./reading.js";
import { Source } from "./source.js";

const PATH = methodOf(EventStore.method.readAll).path;

/** What is asked of the log. */
export interface LogQuestion {
  /** Forwards: after this position; backwards: before it. 0: from the end where the reading begins. */
  readonly position: bigint;
  readonly backwards: boolean;
  /** How many events at most. 0: all. */
  readonly limit: bigint;
  readonly filter: EventFilter;
}

/** One reading of the log: what was asked, and how far it has come. */
export class LogReading implements Batches {
  readonly #connection: Connection;
  readonly #question: LogQuestion;
  readonly #source: Source;
  #position: bigint;
  #head: bigint | undefined;
  #seen = 0n;
  #finished = false;

  constructor(connection: Connection, question: LogQuestion, timeoutMs: number, interrupts: Interrupts) {
    this.#connection = connection;
    this.#question = question;
    this.#position = question.position;
    this.#source = new Source(connection, () => this.#begin(), timeoutMs, interrupts);
  }

  async next(): Promise<EventList | undefined> {
    for (;;) {
      const message = await this.#source.next();
      if (message === undefined) {
        return undefined;
      }
      const events = this.#saw(message);
      if (events.length > 0) {
        return events;
      }
    }
  }

  close(): void {
    this.#source.close();
  }

  #begin(): Messages | undefined {
    if (this.#finished) {
      return undefined;
    }
    const { backwards, limit, filter } = this.#question;
    const fields: MessageInitShape<typeof ReadAllRequestSchema> = {
      afterPosition: backwards ? 0n : this.#position,
      beforePosition: backwards ? this.#position : 0n,
      direction: backwards ? ReadDirection.BACKWARDS : ReadDirection.FORWARDS,
      limit: limit === 0n ? 0n : limit - this.#seen,
      filter,
    };
    const request = toBinary(ReadAllRequestSchema, create(ReadAllRequestSchema, fields));
    return this.#connection.stream(PATH, Buffer.from(request), true);
  }

  /** Moves the point to carry on from behind a message, and gives its events. */
  #saw(message: Buffer): EventList {
    const { events, second: position, third: head } = readBatch(message);
    const { backwards, limit } = this.#question;
    const first = (this.#head ??= head);
    if (head > first && !backwards) {
      // A call that carried on sees a newer head; the reading ends where it was to end when it began.
      while ((events.last?.position ?? 0n) > first) {
        events.dropLast();
      }
    }
    this.#seen += BigInt(events.length);
    this.#position = position;
    // Before position 0 would mean from the newest: reading backwards ends with position 1.
    const over = backwards ? position <= 1n : position >= first;
    this.#finished = over || (limit > 0n && this.#seen >= limit);
    return events;
  }
}
