/** Reading one stream: resumed after the last event seen if the connection breaks. */

import { type MessageInitShape, create, fromBinary, toBinary } from "@bufbuild/protobuf";

import { type Connection, methodOf } from "./connection.js";
import { type EventList, readBatch } from "./event-batch.js";
import { EventStore, ReadDirection, ReadStreamRequestSchema } from "./gen/mink/v1/event_store_pb.js";
import { SnapshotSchema } from "./gen/mink/v1/snapshots_pb.js";
import type { Interrupts } from "./interrupts.js";
import type { Messages } from "./messages.js";
import type { Batches } from "./reading.js";
import { Snapshot } from "./snapshot.js";
import { Source } from "./source.js";

const PATH = methodOf(EventStore.method.readStream).path;

/** What is asked of a stream. */
export interface StreamQuestion {
  readonly stream: string;
  /** The version to begin with, included. 0: the oldest forwards, the newest backwards. */
  readonly fromVersion: bigint;
  readonly backwards: boolean;
  /** How many events at most. 0: all. */
  readonly limit: bigint;
  /** The newest snapshot, and what follows it. */
  readonly sinceSnapshot: boolean;
}

/** One reading of a stream: what was asked, and how far it has come. */
export class StreamReading implements Batches {
  readonly #connection: Connection;
  readonly #question: StreamQuestion;
  readonly #source: Source;
  #fromVersion: bigint;
  #sinceSnapshot: boolean;
  #seen = 0n;
  #finished = false;
  /** The newest snapshot, if it was asked for and there is one. */
  snapshot: Snapshot | undefined;

  constructor(connection: Connection, question: StreamQuestion, timeoutMs: number, interrupts: Interrupts) {
    this.#connection = connection;
    this.#question = question;
    this.#fromVersion = question.fromVersion;
    this.#sinceSnapshot = question.sinceSnapshot;
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
    const { stream, backwards, limit } = this.#question;
    const fields: MessageInitShape<typeof ReadStreamRequestSchema> = {
      stream,
      fromVersion: this.#fromVersion,
      direction: backwards ? ReadDirection.BACKWARDS : ReadDirection.FORWARDS,
      limit: limit === 0n ? 0n : limit - this.#seen,
      sinceSnapshot: this.#sinceSnapshot,
    };
    const request = toBinary(ReadStreamRequestSchema, create(ReadStreamRequestSchema, fields));
    return this.#connection.stream(PATH, Buffer.from(request), true);
  }

  /** Moves the point to carry on from behind a message. */
  #saw(message: Buffer): EventList {
    const { events, message: snapshot } = readBatch(message);
    if (snapshot !== undefined) {
      this.snapshot = new Snapshot(fromBinary(SnapshotSchema, snapshot));
      this.#sinceSnapshot = false;
      this.#fromVersion = this.snapshot.version + 1n;
    }
    const last = events.last?.version;
    if (last !== undefined) {
      const { backwards, limit } = this.#question;
      this.#sinceSnapshot = false;
      this.#fromVersion = backwards ? last - 1n : last + 1n;
      this.#seen += BigInt(events.length);
      // Version 0 would mean the newest: reading backwards ends with version 1.
      this.#finished = (backwards && last <= 1n) || (limit > 0n && this.#seen >= limit);
    }
    return events;
  }
}
