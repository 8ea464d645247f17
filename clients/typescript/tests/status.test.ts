import assert from "node:assert/strict";
import { test } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status as Code } from "@grpc/grpc-js";

import { BadRequestSchema, ErrorInfoSchema, ResourceInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../src/gen/google/rpc/status_pb.js";
import {
  AccessRequiredSchema,
  ErrorReasonSchema,
  EventIdConflictSchema,
  PositionAheadSchema,
  SizeLimitSchema,
  WrongExpectedVersionSchema,
} from "../src/gen/mink/v1/errors_pb.js";
import { ExpectedState } from "../src/gen/mink/v1/expectation_pb.js";
import * as mink from "../src/index.js";
import { fromFailure, fromRpc, fromStatus } from "../src/status.js";
import { retryInfo, status } from "./fake-server.js";

const resource = { schema: ResourceInfoSchema, value: create(ResourceInfoSchema, { resourceName: "Order-1" }) };
const size = { schema: SizeLimitSchema, value: create(SizeLimitSchema, { sizeBytes: 7n, limitBytes: 5n }) };
const access = { schema: AccessRequiredSchema, value: create(AccessRequiredSchema, { role: "append", stream: "S" }) };

const REASONS: Record<string, [Code, typeof mink.MinkError, object, Parameters<typeof status>[2]]> = {
  WRONG_EXPECTED_VERSION: [
    Code.ABORTED,
    mink.WrongExpectedVersion as never,
    {
      stream: "A",
      expected: "NO_STREAM",
      actual: 4n,
      violations: [
        { stream: "A", expected: "NO_STREAM", actual: 4n },
        { stream: "B", expected: 3n, actual: 0n },
      ],
    },
    [
      {
        schema: WrongExpectedVersionSchema,
        value: create(WrongExpectedVersionSchema, {
          violations: [
            { stream: "A", expectation: { case: "state", value: ExpectedState.NO_STREAM }, actualVersion: 4n },
            { stream: "B", expectation: { case: "exactVersion", value: 3n } },
          ],
        }),
      },
    ],
  ],
  EVENT_ID_CONFLICT: [
    Code.ALREADY_EXISTS,
    mink.EventIdConflict,
    { eventId: "e" },
    [{ schema: EventIdConflictSchema, value: create(EventIdConflictSchema, { eventId: "e" }) }],
  ],
  STREAM_NOT_FOUND: [Code.NOT_FOUND, mink.StreamNotFound as never, { stream: "Order-1" }, [resource]],
  STREAM_DELETED: [Code.NOT_FOUND, mink.StreamDeleted as never, { stream: "Order-1" }, [resource]],
  SNAPSHOT_NOT_FOUND: [Code.NOT_FOUND, mink.SnapshotNotFound, { stream: "Order-1" }, [resource]],
  PROJECTION_NOT_FOUND: [Code.NOT_FOUND, mink.MinkError, {}, [resource]],
  INVALID_REQUEST: [
    Code.INVALID_ARGUMENT,
    mink.InvalidRequest as never,
    { fields: [{ field: "stream", description: "empty" }] },
    [
      {
        schema: BadRequestSchema,
        value: create(BadRequestSchema, { fieldViolations: [{ field: "stream", description: "empty" }] }),
      },
    ],
  ],
  POSITION_AHEAD: [
    Code.OUT_OF_RANGE,
    mink.PositionAhead as never,
    { position: 9n, head: 5n, logId: "log" },
    [{ schema: PositionAheadSchema, value: create(PositionAheadSchema, { position: 9n, head: 5n, logId: "log" }) }],
  ],
  EVENT_TOO_LARGE: [Code.INVALID_ARGUMENT, mink.EventTooLarge as never, { size: 7, limit: 5 }, [size]],
  REQUEST_TOO_LARGE: [Code.INVALID_ARGUMENT, mink.RequestTooLarge as never, { size: 7, limit: 5 }, [size]],
  UNAUTHENTICATED: [Code.UNAUTHENTICATED, mink.Unauthenticated as never, { role: "append", stream: "S" }, [access]],
  PERMISSION_DENIED: [
    Code.PERMISSION_DENIED,
    mink.PermissionDenied as never,
    { role: "append", stream: "S" },
    [access],
  ],
  DATABASE_UNAVAILABLE: [Code.UNAVAILABLE, mink.DatabaseUnavailable as never, { retryAfterMs: 250 }, [retryInfo(250)]],
  SHUTTING_DOWN: [Code.UNAVAILABLE, mink.ShuttingDown as never, { retryAfterMs: 1500 }, [retryInfo(1500)]],
  OVERLOADED: [Code.RESOURCE_EXHAUSTED, mink.Overloaded as never, { retryAfterMs: undefined }, []],
  INTERNAL: [Code.INTERNAL, mink.InternalError, {}, []],
  PROJECTION_IN_USE: [Code.FAILED_PRECONDITION, mink.MinkError, {}, [resource]],
};

test("every reason of the protos has its type and data", () => {
  const known = ErrorReasonSchema.values.map(({ name }) => name).filter((name) => name !== "ERROR_REASON_UNSPECIFIED");
  assert.deepEqual(Object.keys(REASONS).sort(), known.sort());
  for (const [reason, [code, kind, data, details]] of Object.entries(REASONS)) {
    const error = fromStatus(status(reason, code, details));
    assert.equal(error.constructor, kind, reason);
    assert.equal(error.name, kind.name);
    assert.equal(error.reason, reason);
    assert.equal(error.message, "words for people");
    for (const [name, value] of Object.entries(data)) {
      assert.deepEqual((error as unknown as Record<string, unknown>)[name], value, `${reason}.${name}`);
    }
  }
});

test("a failure of a session reads as a status", () => {
  const bytes = toBinary(StatusSchema, status("STREAM_DELETED", Code.NOT_FOUND, [resource]));
  const error = fromFailure(bytes);
  assert(error instanceof mink.StreamDeleted && error instanceof mink.StreamNotFound && error.stream === "Order-1");
});

test("without a reason, the code says what it is", () => {
  const kinds: [Code, typeof mink.MinkError, string][] = [
    [Code.UNAVAILABLE, mink.Unavailable as never, "UNAVAILABLE"],
    [Code.CANCELLED, mink.Unavailable as never, "UNAVAILABLE"],
    [Code.DEADLINE_EXCEEDED, mink.DeadlineExceeded as never, "DEADLINE_EXCEEDED"],
    [Code.INVALID_ARGUMENT, mink.InvalidRequest as never, "INVALID_ARGUMENT"],
    [Code.UNAUTHENTICATED, mink.Unauthenticated as never, "UNAUTHENTICATED"],
    [Code.PERMISSION_DENIED, mink.PermissionDenied as never, "PERMISSION_DENIED"],
    [Code.INTERNAL, mink.InternalError, "INTERNAL"],
    [Code.UNKNOWN, mink.InternalError, "UNKNOWN"],
    [Code.NOT_FOUND, mink.MinkError, "NOT_FOUND"],
    [Code.RESOURCE_EXHAUSTED, mink.MinkError, "RESOURCE_EXHAUSTED"],
    [Code.UNIMPLEMENTED, mink.MinkError, "UNIMPLEMENTED"],
    [Code.DATA_LOSS, mink.MinkError, "DATA_LOSS"],
  ];
  for (const [code, kind, reason] of kinds) {
    const error = fromStatus(create(StatusSchema, { code }));
    assert.equal(error.constructor, kind);
    assert.equal(error.reason, reason);
  }
});

test("reasons count only if the domain is mink, and one that is not known is kept", () => {
  const foreign = fromStatus(status("STREAM_NOT_FOUND", Code.NOT_FOUND, [resource], "other"));
  assert.equal(foreign.constructor, mink.MinkError);
  assert.equal(foreign.reason, "NOT_FOUND");
  const unknown = fromStatus(status("NEW_REASON", Code.FAILED_PRECONDITION));
  assert.equal(unknown.constructor, mink.MinkError);
  assert.equal(unknown.reason, "NEW_REASON");
});

function rpc(code: Code, entries: Record<string, string | Buffer> = {}): ServiceError {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) {
    metadata.set(key, value);
  }
  return Object.assign(new Error("words"), { code, details: "words", metadata });
}

test("the error of a call carries what gRPC threw as its cause", () => {
  const bytes = Buffer.from(toBinary(StatusSchema, status("INTERNAL", Code.INTERNAL)));
  const cause = rpc(Code.INTERNAL, { "grpc-status-details-bin": bytes });
  const error = fromRpc(cause, "host:1");
  assert(error instanceof mink.InternalError);
  assert.equal(error.cause, cause);
});

test("damaged details leave the code and the message", () => {
  const error = fromRpc(rpc(Code.NOT_FOUND, { "grpc-status-details-bin": Buffer.from([0xff, 0xff]) }), "host:1");
  assert.equal(error.reason, "NOT_FOUND");
  const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "STREAM_NOT_FOUND", domain: "mink" }))];
  details.push({
    ...details[0]!,
    typeUrl: "type.googleapis.com/google.rpc.ResourceInfo",
    value: new Uint8Array([0xff]),
  });
  const damaged = fromStatus(create(StatusSchema, { code: Code.NOT_FOUND, details }));
  assert(damaged instanceof mink.StreamNotFound && damaged.stream === "");
});

test("a connection that broke under a call is Unavailable, and the server's own INTERNAL is not", () => {
  const broken = fromRpc(rpc(Code.INTERNAL), "host:1");
  assert(broken instanceof mink.Unavailable);
  assert.match(broken.message, /host:1/);
  assert(fromRpc(rpc(Code.INTERNAL, { "content-type": "application/grpc" }), "host:1") instanceof mink.InternalError);
});
