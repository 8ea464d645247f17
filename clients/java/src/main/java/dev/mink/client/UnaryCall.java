package dev.mink.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** A unary call, made again and again until it succeeds, fails for good, or the time is over. Lives on the loop. */
final class UnaryCall<Q, R, T> implements Connection.Open {
    private static final long LEAST_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Connection connection;
    private final MethodDescriptor<Q, R> method;
    private final Q request;
    private final Function<R, T> convert;
    private final Predicate<MinkException> mayRetry;
    private final Supplier<Tracing.CallSpan> spans;
    private final Duration timeout;
    private final long deadline;
    private final Backoff waits = new Backoff();
    private final CompletableFuture<T> result;
    private ClientCall<Q, R> call;
    private MinkException last;

    private UnaryCall(
            Connection connection,
            MethodDescriptor<Q, R> method,
            Q request,
            Function<R, T> convert,
            Predicate<MinkException> mayRetry,
            Supplier<Tracing.CallSpan> spans,
            Duration timeout,
            CompletableFuture<T> result) {
        this.connection = connection;
        this.method = method;
        this.request = request;
        this.convert = convert;
        this.mayRetry = mayRetry;
        this.spans = spans;
        this.timeout = timeout;
        this.result = result;
        this.deadline = System.nanoTime() + Times.nanos(timeout);
    }

    /**
     * Begins a call.
     *
     * @param mayRetry which failures to try again after
     * @param spans the span of each attempt
     * @param timeout for all attempts together
     * @param result is completed with what came of it; cancelling it ends the call
     * @return the result
     */
    static <Q, R, T> CompletableFuture<T> begin(
            Connection connection,
            MethodDescriptor<Q, R> method,
            Q request,
            Function<R, T> convert,
            Predicate<MinkException> mayRetry,
            Supplier<Tracing.CallSpan> spans,
            Duration timeout,
            CompletableFuture<T> result) {
        var made = new UnaryCall<>(connection, method, request, convert, mayRetry, spans, timeout, result);
        if (!connection.run(() -> made.guarded(made::begin))) {
            made.result.completeExceptionally(connection.closedError());
        }
        made.result.whenComplete((value, error) -> {
            connection.ended(made);
            if (made.result.isCancelled()) {
                connection.run(made::cancel);
            }
        });
        return made.result;
    }

    /** Does a part of it. What goes wrong in this client itself would go wrong again: it is the end. */
    private void guarded(Runnable part) {
        try {
            part.run();
        } catch (RuntimeException error) {
            result.completeExceptionally(Errors.ofClient(error));
        }
    }

    private void begin() {
        connection.opened(this);
        attempt();
    }

    private void attempt() {
        if (result.isDone()) {
            return;
        }
        int version = connection.version();
        long left = Math.max(deadline - System.nanoTime(), LEAST_NANOS);
        call = connection.call(method, CallOptions.DEFAULT.withDeadlineAfter(left, TimeUnit.NANOSECONDS));
        Tracing.CallSpan span = spans.get();
        call.start(new Answer(version, span), connection.headers(span));
        // One would do; a second one would be an error, which gRPC is to see.
        call.request(2);
        call.sendMessage(request);
        call.halfClose();
    }

    private void failed(MinkException error, int version) {
        if (result.isDone()) {
            return;
        }
        if (error instanceof DeadlineExceededException) {
            result.completeExceptionally(last != null ? last : late());
        } else if (waits.mayRenew(error)) {
            connection.renew(version, deadline - System.nanoTime(), renewed -> {
                if (renewed) {
                    guarded(this::attempt);
                } else {
                    result.completeExceptionally(error);
                }
            });
        } else {
            long delay = waits.next(error);
            last = error;
            if (mayRetry.test(error) && System.nanoTime() + delay - deadline < 0) {
                connection.schedule(() -> guarded(this::attempt), delay);
            } else {
                result.completeExceptionally(error);
            }
        }
    }

    private MinkException late() {
        return new DeadlineExceededException(
                "no answer from Mink at " + connection.address() + " within " + Times.millis(timeout) + " ms");
    }

    private void cancel() {
        if (call != null) {
            call.cancel("the caller does not wait any more", null);
        }
    }

    @Override
    public void clientClosed(ClientClosedException error) {
        result.completeExceptionally(error);
    }

    private final class Answer extends ClientCall.Listener<R> {
        private final int version;
        private final Tracing.CallSpan span;
        private R message;

        Answer(int version, Tracing.CallSpan span) {
            this.version = version;
            this.span = span;
        }

        @Override
        public void onMessage(R message) {
            this.message = message;
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            guarded(() -> ended(status, trailers));
        }

        private void ended(Status status, Metadata trailers) {
            if (status.isOk() && message != null) {
                span.end(null);
                result.complete(convert.apply(message));
                return;
            }
            MinkException error = status.isOk()
                    ? new InternalException("INTERNAL", "the server ended the call without an answer")
                    : Errors.ofSize(connection.error(status, trailers), request);
            span.end(error);
            failed(error, version);
        }
    }
}
