/** What calls take beside what they are about. */

import type { Expected } from "./expectation.js";
import type { FilterOptions } from "./filter.js";
import type { Logger } from "./log.js";
import type { FileName } from "./secrets.js";
import type { TlsOptions } from "./tls.js";
import type { TokenSource } from "./tokens.js";

/** How a client is made. What is not given comes from the environment, where there is a variable for it. */
export interface MinkOptions {
  /** Milliseconds that a call may take, with its retries, unless the call says otherwise. Not given: 10,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * How to speak TLS: the files. True: with the files that `MINK_CA_FILE`, `MINK_CLIENT_CERT_FILE` and `MINK_CLIENT_KEY_FILE` name, and
   * without `MINK_CA_FILE` with the authorities that this machine trusts. False: not at all. Not given: as `MINK_TLS` says; not at all if
   * it says nothing and none of the three names a file.
   */
  readonly tls?: TlsOptions | boolean | undefined;
  /**
   * The token that says who the client is; or a function that fetches one: it is called before the first call, and when the server
   * refuses the token. Not given: `MINK_TOKEN`.
   */
  readonly token?: TokenSource | undefined;
  /** A file that holds the token, read again when it changes. Not given: `MINK_TOKEN_FILE`. */
  readonly tokenFile?: FileName | undefined;
  /** Allow the token to go to another machine without TLS, where something else encrypts the way. */
  readonly insecureToken?: boolean | undefined;
  /** Where the client says what it does by itself. Not given: warnings are warnings of the process, and nothing else is said. */
  readonly logger?: Logger | undefined;
}

/** What every call takes. A time that is longer than 24 days, or `Infinity`, is 24 days. */
export interface CallOptions {
  /** Milliseconds, with all retries; not given: the client's. For readings and subscriptions see there. */
  readonly timeoutMs?: number | undefined;
  /** What ends the call before its time: it then throws the signal's reason. An append that was sent may be made all the same. */
  readonly signal?: AbortSignal | undefined;
}

/** How to append. */
export interface AppendOptions extends CallOptions {
  /** What is expected of the stream: the version that it has (0: it does not exist), `ANY`, `NO_STREAM` or `STREAM_EXISTS`. */
  readonly expected: Expected;
}

/** How to read. `timeoutMs` is for each batch that the server sends, and not for the whole. */
export interface ReadOptions extends CallOptions {
  /** Newest first. */
  readonly backwards?: boolean | undefined;
  /** How many events at most. 0 or not given: all. */
  readonly limit?: bigint | number | undefined;
}

/** How to read a stream. */
export interface ReadStreamOptions extends ReadOptions {
  /** The version to begin with, included. 0 or not given: the oldest forwards, the newest backwards. */
  readonly fromVersion?: bigint | number | undefined;
}

/** How to read the log. */
export interface ReadAllOptions extends ReadOptions, FilterOptions {
  /** Forwards: only events after this position. 0 or not given: from the first. */
  readonly after?: bigint | number | undefined;
  /** Backwards: only events before this position. 0 or not given: from the newest. */
  readonly before?: bigint | number | undefined;
}

/**
 * How to follow the log. `timeoutMs` is for the first answer, with all retries; a server that has once answered is waited for without end.
 */
export interface SubscribeOptions extends CallOptions, FilterOptions {
  /** After this position. 0 or not given: from the first event. */
  readonly after?: bigint | number | undefined;
  /** After the newest event that the log has now. */
  readonly fromEnd?: boolean | undefined;
  /** The id of the log that `after` came from (`Subscription.logId`); with it, a log that was replaced is noticed. */
  readonly logId?: string | undefined;
  /**
   * Milliseconds without any message after which the connection counts as broken. The server says something every few seconds. Not given:
   * 15,000.
   */
  readonly silenceTimeoutMs?: number | undefined;
}

/** How to save a snapshot. One of `state` and `json` is given. */
export interface SaveSnapshotOptions extends CallOptions {
  /** The version of the last event that the state includes; 1 or more. */
  readonly version: bigint | number;
  /** The state: anything that `JSON.stringify` takes; or a Uint8Array, which is kept as it is. Goes without `json`. */
  readonly state?: unknown;
  /** The state as text that is JSON already; it comes back byte for byte. */
  readonly json?: string | undefined;
  /** What is known about the state beside itself, text by name. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** How to list streams. `timeoutMs` is for each page. */
export interface ListStreamsOptions extends CallOptions {
  /** Only streams whose name begins so. */
  readonly prefix?: string | undefined;
  /** Also the deleted ones. */
  readonly includeDeleted?: boolean | undefined;
  /** How many streams the server sends at once, at most 1000. 0 or not given: 100. */
  readonly pageSize?: number | undefined;
}

/** How to truncate a stream. */
export interface TruncateOptions extends CallOptions {
  /** The first version to keep: 1 to the stream's version + 1. */
  readonly beforeVersion: bigint | number;
}

/** How to delete a stream. */
export interface DeleteOptions extends CallOptions {
  /** What is expected of the stream: the version that it has, `ANY` or `STREAM_EXISTS`. */
  readonly expected: Expected;
  /** Leave a tombstone: nothing can be appended under this name ever again. */
  readonly tombstone?: boolean | undefined;
}
