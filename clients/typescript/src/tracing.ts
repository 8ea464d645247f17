/** Traces, if the process has OpenTelemetry: the caller's trace goes along with calls and into events, and each call is a span. */

import { createRequire } from "node:module";

import type { Attributes, Span, Tracer } from "@opentelemetry/api";
import type { Metadata } from "@grpc/grpc-js";

import { MinkError } from "./errors.js";
import { VERSION } from "./version.js";

type Api = typeof import("@opentelemetry/api");

const PACKAGE = "@mink-es/client";
const OK = 0;

/** The span of a call that is under way. */
export interface CallSpan {
  /** Writes the trace into the headers of a call. */
  carry(headers: Metadata): void;
  /** What goes into the metadata of events: `traceparent`, and `tracestate` if there is one. No baggage: events stay. */
  forEvents(): Record<string, string>;
  /** Ends it, with what the call threw. Its message stays out of the trace. May be called again: the first call counts. */
  end(error?: unknown): void;
}

/** OpenTelemetry, as far as this package uses it. */
export class Tracing {
  readonly #api: Api;
  readonly #tracer: Tracer;
  readonly #attributes = new Map<string, Attributes>();

  /** @param api - OpenTelemetry's API. */
  constructor(api: Api) {
    this.#api = api;
    // Made before or after the process sets a provider, it follows the one that is set.
    this.#tracer = api.trace.getTracer(PACKAGE, VERSION);
  }

  /**
   * Begins the span of a call. Undefined if there is no trace to continue, and no provider that begins one.
   *
   * @param path - The call's path: `/mink.v1.EventStore/GetStream`.
   * @param target - The server's address.
   */
  start(path: string, target: string): CallSpan | undefined {
    const { SpanKind, isSpanContextValid } = this.#api;
    const attributes = this.#attributesOf(path, target);
    const span = this.#tracer.startSpan(path.slice(1), { kind: SpanKind.CLIENT, attributes });
    return isSpanContextValid(span.spanContext()) ? new Traced(this.#api, span) : undefined;
  }

  /** Does something in nobody's trace: what serves all callers is no caller's. */
  outside<T>(does: () => T): T {
    return this.#api.context.with(this.#api.ROOT_CONTEXT, does);
  }

  /** Writes what the process's propagator has to say of the present context into the headers of a call. */
  carry(headers: Metadata): void {
    inject(this.#api, this.#api.context.active(), headers);
  }

  #attributesOf(path: string, target: string): Attributes {
    const key = `${path} ${target}`;
    let known = this.#attributes.get(key);
    if (known === undefined) {
      const [, service = "", method = ""] = path.split("/");
      const [host, port] = /^(.*):(\d+)$/.exec(target)?.slice(1) ?? [target];
      known = {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "server.address": host ?? target,
        ...(port === undefined ? {} : { "server.port": Number(port) }),
      };
      if (this.#attributes.size < 256) {
        this.#attributes.set(key, known);
      }
    }
    return known;
  }
}

class Traced implements CallSpan {
  readonly #api: Api;
  readonly #span: Span;

  constructor(api: Api, span: Span) {
    this.#api = api;
    this.#span = span;
  }

  carry(headers: Metadata): void {
    inject(this.#api, this.#api.trace.setSpan(this.#api.context.active(), this.#span), headers);
  }

  forEvents(): Record<string, string> {
    const { traceId, spanId, traceFlags, traceState } = this.#span.spanContext();
    const traceparent = `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
    const tracestate = traceState?.serialize();
    return tracestate ? { traceparent, tracestate } : { traceparent };
  }

  end(error?: unknown): void {
    // One that has ended records nothing any more; and one that is only carried on, because nothing is recorded here, is left alone.
    if (!this.#span.isRecording()) {
      return;
    }
    if (error === undefined) {
      this.#span.setAttribute("rpc.grpc.status_code", OK);
    } else {
      const kind = kindOf(error);
      this.#span.setAttribute("error.type", kind);
      const code = codeOf(error);
      if (code !== undefined) {
        this.#span.setAttribute("rpc.grpc.status_code", code);
      }
      this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: kind });
    }
    this.#span.end();
  }
}

function inject(api: Api, context: ReturnType<Api["context"]["active"]>, headers: Metadata): void {
  const carrier: Record<string, string> = {};
  api.propagation.inject(context, carrier);
  for (const [key, value] of Object.entries(carrier)) {
    // gRPC refuses a call for a header that it cannot send; a trace is not worth that.
    if (/^[ -~]*$/.test(value)) {
      headers.set(key.toLowerCase(), value);
    }
  }
}

function kindOf(error: unknown): string {
  return error instanceof MinkError ? error.reason : error instanceof Error ? error.name : typeof error;
}

function codeOf(error: unknown): number | undefined {
  const cause = error instanceof MinkError ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && typeof cause.code === "number" ? cause.code : undefined;
}

let found: Tracing | null | undefined;

/** OpenTelemetry, if it is installed. */
export function tracing(): Tracing | undefined {
  if (found === undefined) {
    try {
      // Not `import`, which a program without it could not load, or would have to wait for. All copies of the API share their state.
      found = new Tracing(createRequire(import.meta.url)("@opentelemetry/api") as Api);
    } catch {
      found = null;
    }
  }
  return found ?? undefined;
}
