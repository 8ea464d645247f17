package dev.mink.client;

import io.grpc.Metadata;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * Traces with OpenTelemetry: each call is a client span, its context goes along, and into the metadata of the events that it appends.
 *
 * <p>A client finds the OpenTelemetry that the process has set as the global one by itself. This class is for giving it another one,
 * and for continuing a trace out of an event. It needs {@code io.opentelemetry:opentelemetry-api}.
 */
public final class OpenTelemetryTracing {
    private static final String SCOPE = "dev.mink.client";
    private static final TextMapGetter<Map<String, String>> FROM_MAP = new TextMapGetter<>() {
        @Override
        @SuppressWarnings("deprecation") // older releases of OpenTelemetry want it
        public Iterable<String> keys(Map<String, String> carrier) {
            return carrier.keySet();
        }

        @Override
        public String get(Map<String, String> carrier, String key) {
            return carrier == null ? null : carrier.get(key);
        }
    };

    private final OpenTelemetry given;

    private OpenTelemetryTracing(OpenTelemetry given) {
        this.given = given;
    }

    /**
     * Traces that go to an OpenTelemetry that is not the global one.
     *
     * @param openTelemetry where they go
     * @return what to give to {@link MinkBuilder#tracing}
     */
    public static OpenTelemetryTracing of(OpenTelemetry openTelemetry) {
        return new OpenTelemetryTracing(Objects.requireNonNull(openTelemetry, "openTelemetry"));
    }

    /**
     * The context in which the append of an event was traced, so that whoever handles the event continues the trace:
     *
     * <pre>{@code
     * Span span = tracer.spanBuilder("bill the order").setParent(OpenTelemetryTracing.contextOf(event)).startSpan();
     * }</pre>
     *
     * @param event an event
     * @return the current context, with the span of the append as the parent of spans to come; as it is, if the event has no {@code
     *     traceparent} in its metadata, or a damaged one
     */
    public static Context contextOf(RecordedEvent event) {
        return W3CTraceContextPropagator.getInstance().extract(Context.current(), event.metadata(), FROM_MAP);
    }

    Tracing bind(Address target) {
        return new Bound(given, target);
    }

    /** Traces that go to the global OpenTelemetry, from when the process has set one. */
    static Tracing ofProcess(Address target) {
        return new Bound(null, target);
    }

    /** Traces of the calls to one server. */
    private static final class Bound implements Tracing {
        private final Address target;
        private volatile OpenTelemetry openTelemetry;
        private volatile Tracer tracer;

        Bound(OpenTelemetry given, Address target) {
            this.target = target;
            if (given != null) {
                use(given);
            }
        }

        private void use(OpenTelemetry found) {
            openTelemetry = found;
            tracer = found.getTracer(SCOPE, Version.TEXT);
        }

        @Override
        public Object context() {
            if (tracer == null) {
                // Asking for it before the process has set it would set one that does nothing, for good.
                if (!GlobalOpenTelemetry.isSet()) {
                    return null;
                }
                use(GlobalOpenTelemetry.get());
            }
            return Context.current();
        }

        @Override
        public Tracing.CallSpan start(String method, Object context) {
            if (context == null) {
                return Tracing.CallSpan.NONE;
            }
            Context parent = (Context) context;
            int slash = method.indexOf('/');
            var builder = tracer.spanBuilder(method)
                    .setParent(parent)
                    .setSpanKind(SpanKind.CLIENT)
                    .setAttribute("rpc.system", "grpc")
                    .setAttribute("rpc.service", method.substring(0, slash))
                    .setAttribute("rpc.method", method.substring(slash + 1))
                    .setAttribute("server.address", target.host());
            if (target.port() > 0) {
                builder.setAttribute("server.port", target.port());
            }
            Span span = builder.startSpan();
            return new Traced(openTelemetry, span, parent.with(span));
        }
    }

    private record Traced(OpenTelemetry openTelemetry, Span span, Context context) implements Tracing.CallSpan {
        @Override
        public void carry(Metadata headers) {
            openTelemetry.getPropagators().getTextMapPropagator().inject(context, headers, Traced::put);
        }

        /** gRPC refuses a call for a header that it cannot send; a trace is not worth that. */
        private static void put(Metadata headers, String name, String value) {
            String key = name.toLowerCase(Locale.ROOT);
            boolean good = key.matches("[a-z0-9_.-]+")
                    && !key.endsWith("-bin")
                    && value.chars().allMatch(character -> character >= ' ' && character <= '~');
            if (good) {
                headers.put(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER), value);
            }
        }

        @Override
        public Map<String, String> forEvents() {
            Map<String, String> entries = new HashMap<>();
            W3CTraceContextPropagator.getInstance().inject(Context.root().with(span), entries, Map::put);
            return entries;
        }

        @Override
        public void end(Throwable error) {
            if (error == null) {
                span.setAttribute("rpc.grpc.status_code", 0);
            } else {
                String kind = error instanceof MinkException known
                        ? known.reason()
                        : error instanceof java.util.concurrent.CancellationException
                                ? "CANCELLED"
                                : error.getClass().getName();
                span.setAttribute("error.type", kind);
                span.setStatus(StatusCode.ERROR, kind);
            }
            span.end();
        }
    }
}
