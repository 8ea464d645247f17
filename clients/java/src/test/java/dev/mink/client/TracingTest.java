package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;
import io.grpc.Status;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Traces of calls, and in events. */
@Timeout(30)
class TracingTest {
    private InMemorySpanExporter exported;
    private OpenTelemetrySdk telemetry;
    private Tracer tracer;

    @BeforeEach
    void start() {
        exported = InMemorySpanExporter.create();
        telemetry = OpenTelemetrySdk.builder()
                .setTracerProvider(SdkTracerProvider.builder()
                        .addSpanProcessor(SimpleSpanProcessor.create(exported))
                        .build())
                .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
                .build();
        tracer = telemetry.getTracer("test");
    }

    @AfterEach
    void stop() {
        telemetry.close();
    }

    private Mink real() {
        return RealServer.client().tracing(OpenTelemetryTracing.of(telemetry)).build();
    }

    private List<SpanData> spans(int count) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
        while (exported.getFinishedSpanItems().size() < count && System.nanoTime() < end) {
            Thread.sleep(10);
        }
        return exported.getFinishedSpanItems();
    }

    private static String traceparent(SpanData span) {
        return "00-" + span.getTraceId() + "-" + span.getSpanId() + "-"
                + span.getSpanContext().getTraceFlags().asHex();
    }

    @Test
    void anAppendIsASpanAndItsEventsSayWhich() throws Exception {
        String stream = "Traced-" + Uuid7.next();
        try (Mink mink = real()) {
            Span parent = tracer.spanBuilder("parent").startSpan();
            Context.current()
                    .with(parent)
                    .wrap(() -> mink.append(
                            stream,
                            Expected.NO_STREAM,
                            NewEvent.json("A", "1"),
                            NewEvent.json("A", "2").withMetadata("traceparent", "its own")))
                    .call();
            parent.end();
            SpanData span = spans(2).get(0);
            assertEquals("mink.v1.EventStore/AppendToStream", span.getName());
            assertEquals(SpanKind.CLIENT, span.getKind());
            assertEquals(parent.getSpanContext().getSpanId(), span.getParentSpanId());
            assertEquals("grpc", span.getAttributes().get(AttributeKey.stringKey("rpc.system")));
            assertEquals(0L, span.getAttributes().get(AttributeKey.longKey("rpc.grpc.status_code")));
            List<RecordedEvent> events = mink.readStream(stream).toList();
            String written = traceparent(span);
            assertEquals(Map.of("traceparent", written), events.get(0).metadata());
            assertEquals(Map.of("traceparent", "its own"), events.get(1).metadata());
            Span back = Span.fromContext(OpenTelemetryTracing.contextOf(events.get(0)));
            assertEquals(span.getSpanId(), back.getSpanContext().getSpanId());
        }
    }

    @Test
    void aCallThatFailsSaysWhyAndNotMore() throws Exception {
        try (Mink mink = real()) {
            assertThrows(StreamNotFoundException.class, () -> mink.getStream("Traced-not"));
        }
        SpanData span = spans(1).get(0);
        assertEquals("mink.v1.EventStore/GetStream", span.getName());
        assertEquals(StatusCode.ERROR, span.getStatus().getStatusCode());
        assertEquals("STREAM_NOT_FOUND", span.getStatus().getDescription());
        assertEquals("STREAM_NOT_FOUND", span.getAttributes().get(AttributeKey.stringKey("error.type")));
        assertTrue(span.getEvents().isEmpty());
    }

    @Test
    void theContextGoesAlongWithCallsAndNotWithTheSessionAllShare() throws Exception {
        Metadata.Key<String> traceparent = Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);
        try (FakeServer server = new FakeServer()) {
            server.on("GetStream", (call, message) -> call.fail(Status.INTERNAL));
            server.on("AppendSession", (call, message) -> call.fail(Status.INTERNAL));
            try (Mink mink =
                    server.client().tracing(OpenTelemetryTracing.of(telemetry)).build()) {
                assertThrows(InternalException.class, () -> mink.getStream("S"));
                assertThrows(InternalException.class, () -> mink.append("S", Expected.ANY, NewEvent.json("A", "1")));
            }
            SpanData get = spans(2).get(0);
            assertEquals(
                    traceparent(get), server.calls("GetStream").get(0).headers.get(traceparent));
            assertFalse(server.calls("AppendSession").get(0).headers.containsKey(traceparent));
        }
    }

    @Test
    void aReadingIsASpanThatEndsWithItAndASubscriptionIsNone() throws Exception {
        String stream = "Traced-" + Uuid7.next();
        try (Mink mink = real()) {
            mink.append(stream, Expected.NO_STREAM, NewEvent.json("A", "1"));
            spans(1);
            exported.reset();
            try (Subscription events = mink.subscribeAll(SubscribeOptions.fromStart())) {
                events.next();
            }
            try (EventReader events = mink.readStream(stream)) {
                events.iterator().next();
            }
            assertEquals(
                    List.of("mink.v1.EventStore/ReadStream"),
                    spans(1).stream().map(SpanData::getName).toList());
        }
    }
}
