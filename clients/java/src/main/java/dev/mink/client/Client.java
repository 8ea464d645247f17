package dev.mink.client;

import dev.mink.client.protos.AppendToStreamRequest;
import dev.mink.client.protos.AppendToStreamResponse;
import dev.mink.client.protos.AppendToStreamsRequest;
import dev.mink.client.protos.AppendToStreamsResponse;
import dev.mink.client.protos.SessionAppend;
import dev.mink.client.protos.SessionResult;
import dev.mink.client.protos.SubscribeAllResponse;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** What both faces of the client, the one that waits and the other one, do alike. */
final class Client {
    private static final long CLOSING_GRACE_SECONDS = 5;

    private final Connection connection;
    private final Appender appender;
    private final Executor executor;
    private final AtomicBoolean closed = new AtomicBoolean();

    Client(Connection connection, Executor executor) {
        this.connection = connection;
        this.appender = new Appender(connection);
        this.executor = executor;
    }

    Connection connection() {
        return connection;
    }

    /** Where programs are called. */
    Executor executor() {
        return executor;
    }

    private void checkOpen() {
        if (closed.get()) {
            throw connection.closedError();
        }
    }

    // Append.

    CompletableFuture<SessionResult> append(String stream, Expected expected, List<NewEvent> events, Duration timeout) {
        checkOpen();
        Objects.requireNonNull(expected, "expected");
        List<NewEvent> given = Arguments.list("events", events);
        Tracing.CallSpan span = span(Methods.APPEND_TO_STREAM);
        return traced(span, () -> {
            var message = AppendToStreamRequest.newBuilder().setStream(Texts.checked("stream", stream));
            if (expected.isState()) {
                message.setState(expected.state());
            } else {
                message.setExactVersion(expected.version());
            }
            var trace = span.forEvents();
            given.forEach(event -> message.addEvents(event.toMessage(trace)));
            AppendToStreamRequest request = message.build();
            byte[] body =
                    SessionAppend.newBuilder().setToStream(request).build().toByteArray();
            if (body.length <= Appender.MOST_BYTES) {
                return queue(body, timeout, span);
            }
            Function<AppendToStreamResponse, SessionResult> convert =
                    answer -> SessionResult.newBuilder().setToStream(answer).build();
            return UnaryCall.begin(
                    connection,
                    Methods.APPEND_TO_STREAM,
                    request,
                    convert,
                    Backoff::isTransient,
                    span::attempt,
                    timeout,
                    SpanFuture.of(span));
        });
    }

    CompletableFuture<SessionResult> appendMany(List<StreamAppend> appends, Duration timeout) {
        checkOpen();
        List<StreamAppend> given = Arguments.list("appends", appends);
        Tracing.CallSpan span = span(Methods.APPEND_TO_STREAMS);
        return traced(span, () -> {
            var message = AppendToStreamsRequest.newBuilder();
            var trace = span.forEvents();
            for (StreamAppend part : given) {
                var written = message.addAppendsBuilder().setStream(Texts.checked("stream", part.stream()));
                if (part.expected().isState()) {
                    written.setState(part.expected().state());
                } else {
                    written.setExactVersion(part.expected().version());
                }
                part.events().forEach(event -> written.addEvents(event.toMessage(trace)));
            }
            AppendToStreamsRequest request = message.build();
            byte[] body =
                    SessionAppend.newBuilder().setToStreams(request).build().toByteArray();
            if (body.length <= Appender.MOST_BYTES) {
                return queue(body, timeout, span);
            }
            Function<AppendToStreamsResponse, SessionResult> convert =
                    answer -> SessionResult.newBuilder().setToStreams(answer).build();
            return UnaryCall.begin(
                    connection,
                    Methods.APPEND_TO_STREAMS,
                    request,
                    convert,
                    Backoff::isTransient,
                    span::attempt,
                    timeout,
                    SpanFuture.of(span));
        });
    }

    private CompletableFuture<SessionResult> queue(byte[] body, Duration timeout, Tracing.CallSpan span) {
        PendingAppend append = new PendingAppend(body, System.nanoTime() + Times.nanos(timeout), SpanFuture.of(span));
        appender.append(append);
        return append.future;
    }

    private Tracing.CallSpan span(MethodDescriptor<?, ?> method) {
        return connection
                .tracing()
                .start(method.getFullMethodName(), connection.tracing().context());
    }

    /** Begins a call in its span, which ends with it; also if the arguments cannot be sent. */
    private static <T> CompletableFuture<T> traced(Tracing.CallSpan span, Supplier<CompletableFuture<T>> call) {
        try {
            return call.get();
        } catch (RuntimeException error) {
            span.end(error);
            throw error;
        }
    }

    static AppendResult appended(SessionResult result) {
        AppendToStreamResponse one = result.getToStream();
        return new AppendResult(one.getVersion(), one.getFirstPosition(), one.getLastPosition(), one.getReplayed());
    }

    static AppendManyResult appendedMany(SessionResult result) {
        AppendToStreamsResponse several = result.getToStreams();
        return new AppendManyResult(
                several.getStreamsList().stream()
                        .map(one -> new AppendManyResult.StreamAppended(
                                one.getStream(), one.getVersion(), one.getFirstPosition(), one.getLastPosition()))
                        .toList(),
                several.getFirstPosition(),
                several.getLastPosition(),
                several.getReplayed());
    }

    // Calls.

    /** A call that may be sent twice. */
    <Q, R, T> CompletableFuture<T> call(
            MethodDescriptor<Q, R> method, Q request, Function<R, T> convert, Duration timeout) {
        return call(method, request, convert, Backoff::isTransient, timeout);
    }

    /** A call that removes something: the second answer would be that there is nothing to remove. */
    <Q, R, T> CompletableFuture<T> removing(
            MethodDescriptor<Q, R> method, Q request, Function<R, T> convert, Duration timeout) {
        return call(method, request, convert, Backoff::wasRefused, timeout);
    }

    private <Q, R, T> CompletableFuture<T> call(
            MethodDescriptor<Q, R> method,
            Q request,
            Function<R, T> convert,
            Predicate<MinkException> mayRetry,
            Duration timeout) {
        checkOpen();
        return UnaryCall.begin(
                connection, method, request, convert, mayRetry, spans(method), timeout, new CompletableFuture<>());
    }

    /** A span for each attempt, in the trace of whoever calls now. */
    private Supplier<Tracing.CallSpan> spans(MethodDescriptor<?, ?> method) {
        Tracing tracing = connection.tracing();
        Object context = tracing.context();
        return context == null ? () -> Tracing.CallSpan.NONE : () -> tracing.start(method.getFullMethodName(), context);
    }

    // Readings and subscriptions.

    Inbox<List<dev.mink.client.protos.RecordedEvent>> readStream(StreamSource source, Duration timeout) {
        checkOpen();
        var patience = new Patience.OfReading(connection.address(), timeout);
        return new Feed<>(connection, Methods.READ_STREAM, source, patience, spans(Methods.READ_STREAM)).start();
    }

    Inbox<List<dev.mink.client.protos.RecordedEvent>> readAll(ReadAllOptions options, Duration timeout) {
        Objects.requireNonNull(options, "options");
        checkOpen();
        var patience = new Patience.OfReading(connection.address(), timeout);
        return new Feed<>(connection, Methods.READ_ALL, new LogSource(options), patience, spans(Methods.READ_ALL))
                .start();
    }

    CompletableFuture<LoadedStream> load(String stream, Duration timeout) {
        StreamSource source = StreamSource.sinceSnapshot(stream);
        CompletableFuture<List<List<dev.mink.client.protos.RecordedEvent>>> batches =
                readStream(source, timeout).all();
        CompletableFuture<LoadedStream> loaded = batches.thenApply(all -> new LoadedStream(
                java.util.Optional.ofNullable(source.snapshot()).map(Snapshot::new),
                all.stream().flatMap(List::stream).map(RecordedEvent::new).toList()));
        loaded.whenComplete((value, error) -> {
            if (loaded.isCancelled()) {
                batches.cancel(true);
            }
        });
        return loaded;
    }

    /** A subscription is no span: it lasts as long as the program. */
    Inbox<SubscribeAllResponse> subscribeAll(SubscribeOptions options, Duration timeout) {
        Objects.requireNonNull(options, "options");
        checkOpen();
        var source = new SubscriptionSource(options);
        var patience = new Patience.OfSubscription(connection.address(), timeout, options.silenceTimeout());
        return new Feed<>(connection, Methods.SUBSCRIBE_ALL, source, patience, () -> Tracing.CallSpan.NONE).start();
    }

    // Closing.

    /** Waits up to five seconds for the appends under way, and ends everything else. */
    void close() {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        boolean interrupted = false;
        try {
            appender.close().get(CLOSING_GRACE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException error) {
            interrupted = true;
        } catch (ExecutionException | TimeoutException error) {
            // What is left fails.
        }
        appender.fail(new ClientClosedException(
                "the client was closed before the append was answered; whether it was made is unknown"));
        connection.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
