/** What goes wrong, as types. They are told apart by reasons, never by a message's words. */

import type { ExpectedStateName } from "./expectation.js";

/** A call to Mink failed. The base of all errors of this package that are not about the type of an argument. */
export class MinkError extends Error {
  /** The name of a `mink.v1.ErrorReason`; of the gRPC status code, if the error did not come from Mink itself. */
  readonly reason: string;

  /**
   * @param reason - See the field.
   * @param message - What went wrong, for a person. It may change from release to release.
   * @param options - The cause, if there is one.
   */
  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.name = new.target.name;
  }
}

/** One stream that was not as expected. */
export interface Violation {
  /** The stream's name. */
  readonly stream: string;
  /** What the caller expected: a version, `ANY`, `NO_STREAM` or `STREAM_EXISTS`. */
  readonly expected: bigint | ExpectedStateName;
  /** The version that the stream has; 0 if it does not exist. */
  readonly actual: bigint;
}

/** A stream was not as expected; somebody else may have appended to it. Load it again, decide again. */
export class WrongExpectedVersion extends MinkError {
  /** The first stream that was not as expected. */
  readonly stream: string;
  /** What was expected of it. */
  readonly expected: bigint | ExpectedStateName;
  /** The version that it has; 0 if it does not exist. */
  readonly actual: bigint;
  /** Every stream that was not as expected, in the order of the request. */
  readonly violations: readonly Violation[];

  constructor(message: string, violations: readonly [Violation, ...Violation[]], options?: ErrorOptions) {
    super("WRONG_EXPECTED_VERSION", message, options);
    this.violations = violations;
    this.stream = violations[0].stream;
    this.expected = violations[0].expected;
    this.actual = violations[0].actual;
  }
}

/** The id of an event is already in the log, for another append. */
export class EventIdConflict extends MinkError {
  /** The id. */
  readonly eventId: string;

  constructor(message: string, eventId: string, options?: ErrorOptions) {
    super("EVENT_ID_CONFLICT", message, options);
    this.eventId = eventId;
  }
}

/** No event was ever appended to the stream. */
export class StreamNotFound extends MinkError {
  /** The stream's name. */
  readonly stream: string;

  constructor(reason: string, message: string, stream: string, options?: ErrorOptions) {
    super(reason, message, options);
    this.stream = stream;
  }
}

/** The stream was deleted. */
export class StreamDeleted extends StreamNotFound {}

/** The stream has no snapshot. */
export class SnapshotNotFound extends MinkError {
  /** The stream's name. */
  readonly stream: string;

  constructor(message: string, stream: string, options?: ErrorOptions) {
    super("SNAPSHOT_NOT_FOUND", message, options);
    this.stream = stream;
  }
}

/** A field of a request that is wrong. */
export interface WrongField {
  /** Which one. Example: `events[0].id`. */
  readonly field: string;
  /** Why, for a person. */
  readonly description: string;
}

/** The request cannot be right, whatever the store holds. */
export class InvalidRequest extends MinkError {
  /** Every field that is wrong. */
  readonly fields: readonly WrongField[];

  constructor(reason: string, message: string, fields: readonly WrongField[] = [], options?: ErrorOptions) {
    super(reason, message, options);
    this.fields = fields;
  }
}

/** The position lies beyond the head, or belongs to another log: this is not the log that it came from. Do not retry. */
export class PositionAhead extends MinkError {
  /** The position that was asked for. */
  readonly position: bigint;
  /** The newest position of this log. */
  readonly head: bigint;
  /** The id of this log. */
  readonly logId: string;

  constructor(message: string, position: bigint, head: bigint, logId: string, options?: ErrorOptions) {
    super("POSITION_AHEAD", message, options);
    this.position = position;
    this.head = head;
    this.logId = logId;
  }
}

/** Something is larger than the server takes. The base of what says which thing. */
export class TooLarge extends MinkError {
  /** The size, in bytes. */
  readonly size: number;
  /** The limit, in bytes; 0 if it is not known: gRPC itself refused the message, and the reason is `RESOURCE_EXHAUSTED`. */
  readonly limit: number;

  constructor(reason: string, message: string, size: number, limit: number, options?: ErrorOptions) {
    super(reason, message, options);
    this.size = size;
    this.limit = limit;
  }
}

/** One event is larger than the server takes. */
export class EventTooLarge extends TooLarge {}

/** The events of one append are together larger than the server takes. */
export class RequestTooLarge extends TooLarge {}

/** The server did not let the caller do something. The base of what says why. Never sent again, except with a new token. */
export class AccessError extends MinkError {
  /** The role that was needed: `read`, `append`, `manage` or `admin`; undefined if the server did not say. */
  readonly role: string | undefined;
  /** The stream that the caller may not reach; undefined if it is the role that is missing. */
  readonly stream: string | undefined;

  constructor(reason: string, message: string, role?: string, stream?: string, options?: ErrorOptions) {
    super(reason, message, options);
    this.role = role;
    this.stream = stream;
  }
}

/** The caller did not say who it is, or could not prove it. */
export class Unauthenticated extends AccessError {}

/** The caller may not do this. */
export class PermissionDenied extends AccessError {}

/** The server could not be reached, or could not do the work now. The outcome of an append is unknown; sending it again is safe. */
export class Unavailable extends MinkError {
  /** How long the server asks to wait, in milliseconds; undefined if it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: string, message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(reason, message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The server cannot reach its Postgres, or cannot write to it. */
export class DatabaseUnavailable extends Unavailable {}

/** The server is about to stop. Another one may serve the retry. */
export class ShuttingDown extends Unavailable {}

/** The server has as much work waiting as it lets in. Nothing was done. */
export class Overloaded extends MinkError {
  /** How long the server asks to wait, in milliseconds; undefined if it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super("OVERLOADED", message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The call did not end in its time. The outcome of an append is unknown; sending the same events again is safe. */
export class DeadlineExceeded extends MinkError {
  constructor(message: string, options?: ErrorOptions) {
    super("DEADLINE_EXCEEDED", message, options);
  }
}

/** The server failed in a way that it did not expect; its log says more. */
export class InternalError extends MinkError {}

/** The client, or what was made with it, was used after it was closed; or it was closed while the call was under way. */
export class ClientClosed extends MinkError {
  constructor(message: string, options?: ErrorOptions) {
    super("CLIENT_CLOSED", message, options);
  }
}

/** A certificate, a key, a token or a setting about them cannot be used. Thrown before anything is sent. Says no secret. */
export class CredentialsError extends MinkError {
  /** Which one: `tls`, `caFile`, `certFile`, `keyFile`, `token`, `tokenFile` or `insecureToken`. */
  readonly argument: string;
  /** What is wrong with it, with the file's name if it is a file. */
  readonly problem: string;

  constructor(argument: string, problem: string) {
    super("CREDENTIALS", `${argument}: ${problem}`);
    this.argument = argument;
    this.problem = problem;
  }
}
