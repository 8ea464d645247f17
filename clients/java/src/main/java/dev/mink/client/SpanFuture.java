package dev.mink.client;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/** A future whose span ends before whoever waits for it goes on: a span around the call is to end after it. */
final class SpanFuture<T> extends CompletableFuture<T> {
    private final Tracing.CallSpan span;
    private final AtomicBoolean ended = new AtomicBoolean();

    private SpanFuture(Tracing.CallSpan span) {
        this.span = span;
    }

    static <T> CompletableFuture<T> of(Tracing.CallSpan span) {
        return span == Tracing.CallSpan.NONE ? new CompletableFuture<>() : new SpanFuture<>(span);
    }

    private void end(Throwable error) {
        if (ended.compareAndSet(false, true)) {
            span.end(error);
        }
    }

    @Override
    public boolean complete(T value) {
        end(null);
        return super.complete(value);
    }

    @Override
    public boolean completeExceptionally(Throwable error) {
        end(error);
        return super.completeExceptionally(error);
    }

    @Override
    public boolean cancel(boolean mayInterrupt) {
        end(new CancellationException());
        return super.cancel(mayInterrupt);
    }
}
