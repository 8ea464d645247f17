/** Snapshots: a state saved for a stream at a version. */

import { timestampDate } from "@bufbuild/protobuf/wkt";

import type { Snapshot as Message } from "./gen/mink/v1/snapshots_pb.js";
import { Payload } from "./payload.js";

/** A state saved for a stream at a version. Its payload is the state. */
export class Snapshot extends Payload {
  readonly #message: Message;

  /** @internal */
  constructor(message: Message) {
    super();
    this.#message = message;
  }

  /** The stream's name. */
  get stream(): string {
    return this.#message.stream;
  }

  /** The version of the last event that the state includes. */
  get version(): bigint {
    return this.#message.version;
  }

  override get isJson(): boolean {
    return this.#message.state.case === "json";
  }

  override get data(): Uint8Array {
    const { state } = this.#message;
    return state.case === "json" ? new TextEncoder().encode(state.value) : (state.value ?? new Uint8Array());
  }

  override get text(): string {
    const { state } = this.#message;
    return state.case === "json" ? state.value : super.text;
  }

  /** What is known about the state beside itself. */
  get metadata(): Record<string, string> {
    return { ...this.#message.metadata };
  }

  /** When the server saved it, to the millisecond. */
  get savedAt(): Date {
    const { savedAt } = this.#message;
    return savedAt === undefined ? new Date(0) : timestampDate(savedAt);
  }
}

/** What became of a state. */
export interface SnapshotSaved {
  /** Whether it was saved; false if a newer snapshot was kept. */
  readonly saved: boolean;
  /** The version of the snapshot that the stream now has. */
  readonly version: bigint;
}
