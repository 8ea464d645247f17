package dev.mink.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * The messages of a call, and of the calls that carry on where a broken one ended. Lives on the loop; a reader takes what came out of
 * its {@link Inbox}.
 *
 * <p>Some messages are asked for ahead of the reader, so that the next one is there when it is wanted; not more, so that a slow reader
 * holds the server back instead of filling the memory.
 */
final class Feed<Q, M, T> implements Connection.Open {
    /** Messages that are there or on their way while the reader is busy with another one. */
    static final int AHEAD = 8;

    private static final Logger LOG = System.getLogger("dev.mink.client");

    private final Connection connection;
    private final MethodDescriptor<Q, M> method;
    private final Source<Q, M, T> source;
    private final Patience patience;
    private final Supplier<Tracing.CallSpan> spans;
    private final Inbox<T> inbox;
    private final Backoff waits = new Backoff();
    /** Whether the loop is to look how much room there is. */
    private final AtomicBoolean told = new AtomicBoolean();

    private Attempt attempt;
    /** Messages asked for that did not come yet. */
    private int awaited;

    private long brokenAt;
    private ScheduledFuture<?> watch;
    private MinkException last;
    private boolean over;

    Feed(
            Connection connection,
            MethodDescriptor<Q, M> method,
            Source<Q, M, T> source,
            Patience patience,
            Supplier<Tracing.CallSpan> spans) {
        this.connection = connection;
        this.method = method;
        this.source = source;
        this.patience = patience;
        this.spans = spans;
        this.inbox = new Inbox<>(this::taken, () -> connection.run(this::finish));
    }

    /** Begins. What comes is in the inbox. */
    Inbox<T> start() {
        boolean begun = connection.run(() -> guarded(() -> {
            connection.opened(this);
            brokenAt = patience.brokenAt(System.nanoTime());
            dial();
        }));
        if (!begun) {
            inbox.fail(connection.closedError());
        }
        return inbox;
    }

    /** The reader has taken something. Called in its thread. */
    private void taken() {
        if (told.compareAndSet(false, true)) {
            connection.run(() -> guarded(this::wanted));
        }
    }

    @Override
    public void clientClosed(ClientClosedException error) {
        fail(new ClientClosedException(error.getMessage()));
    }

    // The call.

    /** Does a part of it. What goes wrong in this client itself would go wrong again: it is the end. */
    private void guarded(Runnable part) {
        try {
            part.run();
        } catch (RuntimeException error) {
            fail(Errors.ofClient(error));
        }
    }

    private void dial() {
        if (over) {
            return;
        }
        Q request = source.next();
        if (request == null) {
            inbox.end();
            finish();
            return;
        }
        int version = connection.version();
        ClientCall<Q, M> call = connection.call(method, CallOptions.DEFAULT);
        Tracing.CallSpan span = spans.get();
        attempt = new Attempt(call, version, span);
        awaited = 0;
        call.start(attempt, connection.headers(span));
        call.sendMessage(request);
        call.halfClose();
        ask();
    }

    private void wanted() {
        told.set(false);
        if (over || attempt == null) {
            return;
        }
        if (awaited == 0) {
            patience.begin();
            brokenAt = patience.brokenAt(System.nanoTime());
        }
        ask();
    }

    private void ask() {
        int room = AHEAD - inbox.size() - awaited;
        if (room > 0) {
            awaited += room;
            attempt.call.request(room);
        }
        if (awaited > 0 && watch == null) {
            watch = connection.schedule(() -> guarded(this::look), brokenAt - System.nanoTime());
        }
    }

    /** Looks whether the server has been silent for too long. */
    private void look() {
        watch = null;
        if (over || attempt == null || awaited == 0) {
            return;
        }
        long now = System.nanoTime();
        if (now - brokenAt < 0) {
            watch = connection.schedule(() -> guarded(this::look), brokenAt - now);
            return;
        }
        failed(hangUp(), last != null && patience.over(now) ? last : patience.silence());
    }

    private void received(M message) {
        awaited--;
        waits.reset();
        last = null;
        patience.answered();
        brokenAt = patience.brokenAt(System.nanoTime());
        T given = source.saw(message);
        if (given != null) {
            inbox.put(given);
        }
        ask();
    }

    private void ended(int version, MinkException error) {
        if (error == null) {
            if (source.hasEnd()) {
                inbox.end();
                finish();
                return;
            }
            failed(
                    version,
                    new UnavailableException("Mink at " + connection.address() + " ended the subscription", null));
            return;
        }
        failed(version, error);
    }

    private void failed(int version, MinkException error) {
        if (over) {
            return;
        }
        long now = System.nanoTime();
        if (awaited == 0) {
            brokenAt = patience.brokenAt(now);
        }
        if (waits.mayRenew(error)) {
            connection.renew(version, patience.brokenAt(now) - now, renewed -> {
                if (renewed) {
                    guarded(this::dial);
                } else {
                    fail(error);
                }
            });
            return;
        }
        long delay = waits.next(error);
        if (!Backoff.isTransient(error) || patience.over(now + delay)) {
            fail(error);
            return;
        }
        if (!source.hasEnd()) {
            // A server that ends the call on purpose is nothing to worry about.
            boolean worth = waits.attempts() == 1 && !(error instanceof ShuttingDownException);
            LOG.log(
                    worth ? Level.WARNING : Level.DEBUG,
                    () -> "subscription interrupted, it carries on: " + error.getMessage());
        }
        last = error;
        T given = source.broken();
        if (given != null) {
            inbox.put(given);
        }
        connection.schedule(
                () -> guarded(() -> {
                    brokenAt = patience.brokenAt(System.nanoTime());
                    dial();
                }),
                delay);
    }

    private void fail(MinkException error) {
        if (!over) {
            inbox.fail(error);
            finish();
        }
    }

    private void finish() {
        over = true;
        if (attempt != null) {
            hangUp();
        }
        if (watch != null) {
            watch.cancel(false);
        }
        connection.ended(this);
    }

    /** Ends the call. The version of the credentials that it began with. */
    private int hangUp() {
        Attempt ended = attempt;
        attempt = null;
        ended.span.end(null); // a reader that has enough is no failure
        ended.call.cancel("it is not read any more", null);
        return ended.version;
    }

    private final class Attempt extends ClientCall.Listener<M> {
        private final ClientCall<Q, M> call;
        private final int version;
        private final Tracing.CallSpan span;

        Attempt(ClientCall<Q, M> call, int version, Tracing.CallSpan span) {
            this.call = call;
            this.version = version;
            this.span = span;
        }

        @Override
        public void onMessage(M message) {
            if (attempt == this) {
                guarded(() -> received(message));
            }
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            if (attempt != this) {
                return;
            }
            attempt = null;
            MinkException error = status.isOk() ? null : connection.error(status, trailers);
            span.end(error);
            guarded(() -> ended(version, error));
        }
    }
}
