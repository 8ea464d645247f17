/** `@mink-es/client/tracing`: the trace of an append, for whoever handles its events. Needs `@opentelemetry/api`. */

import { type Context, context, createTraceState, isSpanContextValid, trace } from "@opentelemetry/api";

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/**
 * The context in which the append of an event was traced, so that whoever handles the event continues the trace:
 *
 * ```ts
 * tracer.startActiveSpan("bill the order", {}, contextOf(event), (span) => { … });
 * ```
 *
 * @param event - An event, usually a `RecordedEvent`.
 * @returns The active context, with the span of the append as the parent of spans to come; as it is, if the event has no `traceparent`
 * in its metadata, or one that is damaged.
 */
export function contextOf(event: { readonly metadata: Readonly<Record<string, string>> }): Context {
  const { traceparent, tracestate } = event.metadata;
  const active = context.active();
  const [, traceId = "", spanId = "", flags = "0"] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  const spanContext = {
    traceId,
    spanId,
    traceFlags: parseInt(flags, 16),
    isRemote: true,
    ...(tracestate ? { traceState: createTraceState(tracestate) } : {}),
  };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(active, spanContext) : active;
}
