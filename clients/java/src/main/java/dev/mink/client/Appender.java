package dev.mink.client;

import dev.mink.client.protos.AppendSessionResponse;
import dev.mink.client.protos.SessionResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * Sends appends over one AppendSession, and opens another one when it breaks.
 *
 * <p>Callers put their appends into a queue. The loop writes everything that has gathered since its last write as one
 * message, so the messages grow with the load, and a lone caller never waits for company. One timer watches over all
 * deadlines.
 */
final class Appender implements AppendSession.Owner {
    /** Bytes in one message. A larger append goes by a call of its own: if it is too large, no other suffers. */
    static final int MOST_BYTES = 1024 * 1024;

    /** Nanoseconds that are at least between two looks at all deadlines. */
    private static final long TICK = TimeUnit.MILLISECONDS.toNanos(10);

    private static final long LONGEST_WATCH = TimeUnit.DAYS.toNanos(1);

    private final Connection connection;
    private final Queue<PendingAppend> incoming = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean woken = new AtomicBoolean();
    private volatile boolean closing;

    // What is below is used on the loop only.
    private final Backlog backlog = new Backlog();
    private final Backoff waits = new Backoff();
    private final CompletableFuture<Void> drained = new CompletableFuture<>();
    private AppendSession session;
    /** A session broke, and the next one is not to be opened yet. */
    private boolean paused;
    /** Why there is no session; null while results come. */
    private Supplier<MinkException> down;

    private ScheduledFuture<?> timer;
    private long timerAt;

    Appender(Connection connection) {
        this.connection = connection;
    }

    /** Queues an append. It is done when its future is; cancelling that forgets it. */
    void append(PendingAppend append) {
        if (closing) {
            append.future.completeExceptionally(connection.closedError());
            return;
        }
        incoming.add(append);
        if (woken.compareAndSet(false, true) && !connection.run(this::wakeUp)) {
            append.future.completeExceptionally(connection.closedError());
        }
    }

    /** Refuses new appends. What is given is done when those under way are. */
    CompletableFuture<Void> close() {
        closing = true;
        if (!connection.run(this::wakeUp)) {
            drained.complete(null);
        }
        return drained;
    }

    /** Fails what is left. */
    void fail(MinkException error) {
        closing = true;
        connection.run(() -> failAll(() -> new ClientClosedException(error.getMessage())));
    }

    // Sending.

    private void wakeUp() {
        woken.set(false);
        takeIncoming();
        send();
    }

    private void takeIncoming() {
        for (PendingAppend append = incoming.poll(); append != null; append = incoming.poll()) {
            backlog.add(append);
            watch(append.deadline);
        }
    }

    /** Sends all that may be sent now. */
    @Override
    public void send() {
        while (backlog.hasToSend() && !paused) {
            if (session == null) {
                session = new AppendSession(connection, this);
            } else if (session.version() != connection.version()) {
                // What it has sent is answered; the rest takes the next one, with the other credentials.
                session.end();
                return;
            }
            if (!session.isReady()) {
                return; // it calls when it is
            }
            SessionMessage message = backlog.message(MOST_BYTES);
            if (message.count() > 0) {
                session.send(message.toBytes());
            }
        }
        if (closing && backlog.isEmpty() && incoming.isEmpty()) {
            if (session != null) {
                session.end();
            } else {
                drained.complete(null);
            }
        }
    }

    // What becomes of them.

    @Override
    public void results(AppendSessionResponse response) {
        down = null;
        waits.reset();
        List<PendingAppend> refused = new ArrayList<>();
        for (SessionResult result : response.getResultsList()) {
            PendingAppend append = backlog.answered(result.getRequestId());
            if (append == null) {
                continue;
            }
            if (!result.hasFailure()) {
                append.future.complete(result);
                continue;
            }
            MinkException error = Errors.of(result.getFailure());
            if (error instanceof UnauthenticatedException && !append.renewed) {
                append.error = error;
                refused.add(append);
            } else {
                failed(append, error);
            }
        }
        if (!refused.isEmpty()) {
            renew(refused, session.version());
        }
        send();
    }

    /** One append failed: it is sent again later, or its caller is told. */
    private void failed(PendingAppend append, MinkException error) {
        append.dueAt = System.nanoTime() + Backoff.nanos(append.attempts, error);
        append.attempts++;
        append.error = error;
        if (Backoff.isTransient(error) && append.dueAt - append.deadline < 0) {
            backlog.delay(append);
            watch(append.dueAt);
        } else {
            append.future.completeExceptionally(error);
        }
    }

    /** Sends again with other credentials what was refused with these, if there are others. */
    private void renew(List<PendingAppend> refused, int version) {
        refused.forEach(append -> append.renewed = true);
        backlog.renew(refused);
        connection.renew(version, Connection.RENEWAL, renewed -> {
            for (PendingAppend append : refused) {
                if (!backlog.renewed(append)) {
                    continue; // its time is over
                }
                if (renewed) {
                    backlog.add(append);
                } else {
                    append.future.completeExceptionally(append.error);
                }
            }
            send();
        });
    }

    @Override
    public void ended() {
        session = null;
        backlog.sendAgain();
        send();
    }

    @Override
    public void broken(Supplier<MinkException> why) {
        int version = session.version();
        session = null;
        down = why;
        takeIncoming();
        MinkException error = why.get();
        if (error instanceof UnauthenticatedException) {
            refused(why, version);
        } else if (Backoff.isTransient(error)) {
            for (PendingAppend append : backlog.inFlight()) {
                append.attempts++;
                append.error = why.get();
            }
            backlog.sendAgain();
            paused = true;
            connection.schedule(this::goOn, waits.next(error));
        } else {
            failAll(why);
        }
    }

    private void goOn() {
        paused = false;
        send();
    }

    /** The session itself was refused: what was to go over it gets other credentials once, if there are others. */
    private void refused(Supplier<MinkException> why, int version) {
        List<PendingAppend> again = new ArrayList<>();
        for (PendingAppend append : backlog.allButRenewing()) {
            if (append.renewed) {
                append.future.completeExceptionally(why.get());
            } else {
                append.error = why.get();
                again.add(append);
            }
        }
        backlog.clearButRenewing();
        if (!again.isEmpty()) {
            renew(again, version);
        }
    }

    private void failAll(Supplier<MinkException> why) {
        takeIncoming();
        backlog.all().forEach(append -> append.future.completeExceptionally(why.get()));
        backlog.clear();
        if (closing) {
            drained.complete(null);
        }
    }

    // Time.

    private void watch(long at) {
        if (timer != null) {
            if (timerAt - at <= 0) {
                return;
            }
            timer.cancel(false);
        }
        timerAt = at;
        timer = connection.schedule(this::tick, Math.max(0, at - System.nanoTime()));
    }

    /** Fails what is over its time, and queues what is due to be sent again. */
    private void tick() {
        timer = null;
        long now = System.nanoTime();
        long soonest = now + LONGEST_WATCH;
        for (PendingAppend append : backlog.all()) {
            if (append.deadline - now <= 0) {
                append.future.completeExceptionally(whyLate(append));
            } else if (append.deadline - soonest < 0) {
                soonest = append.deadline;
            }
        }
        backlog.dropDone();
        soonest = backlog.queueDue(now, soonest);
        if (!backlog.isEmpty()) {
            watch(Math.max(soonest, now + TICK));
        }
        send();
    }

    private MinkException whyLate(PendingAppend append) {
        if (down != null) {
            return down.get();
        }
        return append.error != null
                ? append.error
                : new DeadlineExceededException("no answer from Mink at " + connection.address()
                        + " in time; whether the append was made is unknown");
    }
}
