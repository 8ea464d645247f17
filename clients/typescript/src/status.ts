/** From a `google.rpc.Status`, and from what gRPC throws, to the errors of this package: the one table at this border. */

import { type Message, create, fromBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { type Duration, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status as Code } from "@grpc/grpc-js";

import { advised } from "./advice.js";
import * as errors from "./errors.js";
import { fromExpectation } from "./expectation.js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "./gen/google/rpc/status_pb.js";
import {
  AccessRequiredSchema,
  EventIdConflictSchema,
  PositionAheadSchema,
  SizeLimitSchema,
  WrongExpectedVersionSchema,
} from "./gen/mink/v1/errors_pb.js";

const DOMAIN = "mink";
const DETAILS = "grpc-status-details-bin";
/** Bytes of a request that every server takes: a smaller one is refused for something else. */
const NEVER_TOO_LARGE = 4096;

/** The details of a status, by type. */
class Details {
  readonly message: string;
  readonly cause: ErrorOptions | undefined;

  constructor(
    readonly status: Status,
    cause: unknown,
  ) {
    this.message = status.message;
    this.cause = cause === undefined ? undefined : { cause };
  }

  /** The first detail of a type; an empty one if there is none. */
  get<T extends Message>(schema: GenMessage<T>): T {
    return this.find(schema) ?? create<GenMessage<T>>(schema);
  }

  find<T extends Message>(schema: GenMessage<T>): T | undefined {
    for (const detail of this.status.details) {
      let found: Message | undefined;
      try {
        found = anyUnpack(detail, schema);
      } catch {
        continue; // this detail is damaged; the others are not
      }
      if (found !== undefined) {
        return found as T;
      }
    }
    return undefined;
  }

  get retryAfterMs(): number | undefined {
    const delay: Duration | undefined = this.find(RetryInfoSchema)?.retryDelay;
    return delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  }
}

type Make = (details: Details) => errors.MinkError;

function wrongVersion(d: Details): errors.MinkError {
  const [first, ...others] = d.get(WrongExpectedVersionSchema).violations.map((violation) => ({
    stream: violation.stream,
    expected: fromExpectation(violation.expectation),
    actual: violation.actualVersion,
  }));
  return first === undefined
    ? new errors.MinkError("WRONG_EXPECTED_VERSION", d.message, d.cause)
    : new errors.WrongExpectedVersion(d.message, [first, ...others], d.cause);
}

const invalid =
  (reason: string): Make =>
  (d) => {
    const fields = d.get(BadRequestSchema).fieldViolations.map(({ field, description }) => ({ field, description }));
    return new errors.InvalidRequest(reason, d.message, fields, d.cause);
  };

const noAccess =
  (Kind: typeof errors.Unauthenticated | typeof errors.PermissionDenied, reason: string): Make =>
  (d) => {
    const { role, stream } = d.get(AccessRequiredSchema);
    return new Kind(reason, d.message, role || undefined, stream || undefined, d.cause);
  };

const tooLarge =
  (Kind: typeof errors.EventTooLarge | typeof errors.RequestTooLarge, reason: string): Make =>
  (d) => {
    const { sizeBytes, limitBytes } = d.get(SizeLimitSchema);
    return new Kind(reason, d.message, Number(sizeBytes), Number(limitBytes), d.cause);
  };

const unavailable =
  (Kind: typeof errors.Unavailable, reason: string): Make =>
  (d) =>
    new Kind(reason, d.message, d.retryAfterMs, d.cause);

const noStream =
  (Kind: typeof errors.StreamNotFound, reason: string): Make =>
  (d) =>
    new Kind(reason, d.message, d.get(ResourceInfoSchema).resourceName, d.cause);

const BY_REASON: ReadonlyMap<string, Make> = new Map<string, Make>([
  ["WRONG_EXPECTED_VERSION", wrongVersion],
  ["EVENT_ID_CONFLICT", (d) => new errors.EventIdConflict(d.message, d.get(EventIdConflictSchema).eventId, d.cause)],
  ["STREAM_NOT_FOUND", noStream(errors.StreamNotFound, "STREAM_NOT_FOUND")],
  ["STREAM_DELETED", noStream(errors.StreamDeleted, "STREAM_DELETED")],
  [
    "SNAPSHOT_NOT_FOUND",
    (d) => new errors.SnapshotNotFound(d.message, d.get(ResourceInfoSchema).resourceName, d.cause),
  ],
  ["INVALID_REQUEST", invalid("INVALID_REQUEST")],
  [
    "POSITION_AHEAD",
    (d) => {
      const { position, head, logId } = d.get(PositionAheadSchema);
      return new errors.PositionAhead(d.message, position, head, logId, d.cause);
    },
  ],
  ["EVENT_TOO_LARGE", tooLarge(errors.EventTooLarge, "EVENT_TOO_LARGE")],
  ["REQUEST_TOO_LARGE", tooLarge(errors.RequestTooLarge, "REQUEST_TOO_LARGE")],
  ["UNAUTHENTICATED", noAccess(errors.Unauthenticated, "UNAUTHENTICATED")],
  ["PERMISSION_DENIED", noAccess(errors.PermissionDenied, "PERMISSION_DENIED")],
  ["DATABASE_UNAVAILABLE", unavailable(errors.DatabaseUnavailable, "DATABASE_UNAVAILABLE")],
  ["SHUTTING_DOWN", unavailable(errors.ShuttingDown, "SHUTTING_DOWN")],
  ["OVERLOADED", (d) => new errors.Overloaded(d.message, d.retryAfterMs, d.cause)],
  ["INTERNAL", (d) => new errors.InternalError("INTERNAL", d.message, d.cause)],
]);

// What gRPC itself, a proxy, or something that is not Mink answers: there is only the code.
const BY_CODE: ReadonlyMap<number, Make> = new Map<number, Make>([
  [Code.UNAVAILABLE, unavailable(errors.Unavailable, "UNAVAILABLE")],
  // A server that stops cuts its calls so; when the caller itself cancels, nobody sees this.
  [Code.CANCELLED, unavailable(errors.Unavailable, "UNAVAILABLE")],
  [Code.DEADLINE_EXCEEDED, (d) => new errors.DeadlineExceeded(d.message, d.cause)],
  [Code.INVALID_ARGUMENT, invalid("INVALID_ARGUMENT")],
  [Code.UNAUTHENTICATED, noAccess(errors.Unauthenticated, "UNAUTHENTICATED")],
  [Code.PERMISSION_DENIED, noAccess(errors.PermissionDenied, "PERMISSION_DENIED")],
  [Code.INTERNAL, (d) => new errors.InternalError("INTERNAL", d.message, d.cause)],
  [Code.UNKNOWN, (d) => new errors.InternalError("UNKNOWN", d.message, d.cause)],
]);

/** The error that a `google.rpc.Status` means. */
export function fromStatus(status: Status, cause?: unknown): errors.MinkError {
  const details = new Details(status, cause);
  const info = details.get(ErrorInfoSchema);
  const make = (info.domain === DOMAIN ? BY_REASON.get(info.reason) : undefined) ?? BY_CODE.get(status.code);
  if (make !== undefined) {
    return make(details);
  }
  const reason = (info.domain === DOMAIN && info.reason) || Code[status.code] || "UNKNOWN";
  return new errors.MinkError(reason, details.message, details.cause);
}

/** The error that a failed append of a session means: a `mink.v1.Failure`, which has the wire format of a `google.rpc.Status`. */
export function fromFailure(bytes: Uint8Array): errors.MinkError {
  return fromStatus(fromBinary(StatusSchema, bytes));
}

/**
 * The error that a failed call means.
 *
 * @param error - What gRPC threw.
 * @param target - The server's address, for the message when it cannot be reached, or is no Mink.
 * @param size - The bytes of the request, if it can be too large.
 */
export function fromRpc(error: ServiceError, target: string, size = 0): errors.MinkError {
  const [details] = error.metadata.get(DETAILS);
  if (details instanceof Uint8Array) {
    let status: Status | undefined;
    try {
      status = fromBinary(StatusSchema, details);
    } catch {
      // The details are damaged; the code and the message are not.
    }
    if (status !== undefined) {
      return fromStatus(status, error);
    }
  }
  const code = isBrokenConnection(error) ? Code.UNAVAILABLE : error.code;
  const text = error.details || Code[error.code];
  if (code === Code.RESOURCE_EXHAUSTED && size > NEVER_TOO_LARGE) {
    // gRPC itself refuses what is larger than it receives, and says so only in words.
    return new errors.RequestTooLarge("RESOURCE_EXHAUSTED", text, size, 0, { cause: error });
  }
  const message =
    code === Code.UNAVAILABLE || code === Code.CANCELLED
      ? `cannot reach Mink at ${target}: ${advised(text)}`
      : code === Code.UNIMPLEMENTED
        ? `what answers at ${target} is no Mink, or one that is too old for this call: ${text}`
        : text;
  return fromStatus(create(StatusSchema, { code, message }), error);
}

/**
 * Whether a failure with the code INTERNAL is not the server's word, but gRPC's own for a connection that broke under a call: what a
 * server sends has headers.
 */
function isBrokenConnection(error: ServiceError): boolean {
  return error.code === Code.INTERNAL && Object.keys(error.metadata.getMap()).length === 0;
}
