/**
 * Client of Mink, an event store over gRPC.
 *
 * @packageDocumentation
 */

export type { AppendManyResult, AppendResult, StreamAppend, StreamAppended } from "./append-types.js";
export { Mink } from "./client.js";
export {
  AccessError,
  ClientClosed,
  CredentialsError,
  DatabaseUnavailable,
  DeadlineExceeded,
  EventIdConflict,
  EventTooLarge,
  InternalError,
  InvalidRequest,
  MinkError,
  Overloaded,
  PermissionDenied,
  PositionAhead,
  RequestTooLarge,
  ShuttingDown,
  SnapshotNotFound,
  StreamDeleted,
  StreamNotFound,
  TooLarge,
  Unauthenticated,
  Unavailable,
  type Violation,
  WrongExpectedVersion,
  type WrongField,
} from "./errors.js";
export { ANY, type Expected, type ExpectedStateName, NO_STREAM, STREAM_EXISTS } from "./expectation.js";
export type { FilterOptions } from "./filter.js";
export type { Logger } from "./log.js";
export { type EventOptions, type NewEvent, binaryEvent, jsonEvent, rawJsonEvent } from "./new-event.js";
export type {
  AppendOptions,
  CallOptions,
  DeleteOptions,
  ListStreamsOptions,
  MinkOptions,
  ReadAllOptions,
  ReadOptions,
  ReadStreamOptions,
  SaveSnapshotOptions,
  SubscribeOptions,
  TruncateOptions,
} from "./options.js";
export type { Payload } from "./payload.js";
export type { Reading } from "./reading.js";
export type { RecordedEvent } from "./recorded-event.js";
export type { FileName } from "./secrets.js";
export type { Snapshot, SnapshotSaved } from "./snapshot.js";
export type { Removed, StreamInfo } from "./stream-info.js";
export type { Subscription } from "./subscription.js";
export type { TlsOptions } from "./tls.js";
export type { TokenSource } from "./tokens.js";
export { uuid7 } from "./uuid7.js";
