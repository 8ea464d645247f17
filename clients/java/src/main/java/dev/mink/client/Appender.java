package dev.mink.client;

import dev.mink.client.protos.AppendSessionResponse;
import dev.mink.client.protos.SessionResult;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * Sends appends over one AppendSession, and opens another one when it breaks.
 *
 * <p>Callers put their appends into a queue. The loop writes everything that has gathered since its last write as one message, so the
 * messages grow with the load, and a lone caller never waits for company. One timer watches over all deadlines.
 */
final class Appender implements AppendSession.Owner {
    /** Bytes in one message. A larger append goes by a call of its own: if it is too large, no other suffers. */
    static final int MOST_BYTES = 1024 * 1024;

    private static final int MOST_APPENDS = 256;
    private static final int MOST_IN_FLIGHT = 10_000;
    /** Nanoseconds that are at least between two looks at all deadlines. */
    private static final long TICK = TimeUnit.MILLISECONDS.toNanos(10);

    private static final long NEVER = Long.MAX_VALUE;

    private final Connection connection;
    private final Queue<PendingAppend> incoming = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean woken = new AtomicBoolean();
    private volatile boolean closing;

    // What is below is used on the loop only.
    private final ArrayDeque<PendingAppend> queue = new ArrayDeque<>();
    private final Map<Long, PendingAppend> inFlight = new LinkedHashMap<>();
    private final PriorityQueue<PendingAppend> delayed = new PriorityQueue<>(Comparator.comparingLong(a -> a.dueAt));
    /** Wait for other credentials. */
    private final Set<PendingAppend> renewing = new HashSet<>();

    private final Backoff waits = new Backoff();
    private final CompletableFuture<Void> drained = new CompletableFuture<>();
    private long numbers;
    private AppendSession session;
    /** A session broke, and the next one is not to be opened yet. */
    private boolean paused;
    /** Why there is no session; null while results come. */
    private Supplier<MinkException> down;

    private ScheduledFuture<?> timer;
    private long timerAt = NEVER;

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
        for (PendingAppend append = incoming.poll(); append != null; append = incoming.poll()) {
            queue.add(append);
            watch(append.deadline);
        }
        send();
    }

    /** Sends all that may be sent now. */
    @Override
    public void send() {
        while (!queue.isEmpty() && !paused && inFlight.size() < MOST_IN_FLIGHT) {
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
            SessionMessage message = message();
            if (message.count() > 0) {
                session.send(message.toBytes());
            }
        }
        if (closing && isEmpty()) {
            if (session != null) {
                session.end();
            } else {
                drained.complete(null);
            }
        }
    }

    /** Everything that has gathered, within the bounds of one message. */
    private SessionMessage message() {
        SessionMessage message = new SessionMessage();
        long now = System.nanoTime();
        int room = Math.min(MOST_APPENDS, MOST_IN_FLIGHT - inFlight.size());
        while (!queue.isEmpty() && room > 0) {
            PendingAppend append = queue.peek();
            if (append.future.isDone()) {
                queue.poll();
                continue;
            }
            if (message.count() > 0 && message.size() + append.body.length > MOST_BYTES) {
                break;
            }
            queue.poll();
            room--;
            append.number = ++numbers;
            inFlight.put(append.number, append);
            message.add(append, now);
        }
        return message;
    }

    // What becomes of them.

    @Override
    public void results(AppendSessionResponse response) {
        down = null;
        waits.reset();
        List<PendingAppend> refused = null;
        for (SessionResult result : response.getResultsList()) {
            PendingAppend append = inFlight.remove(result.getRequestId());
            if (append == null) {
                continue; // its caller did not wait for it
            }
            if (!result.hasFailure()) {
                append.future.complete(result);
                continue;
            }
            MinkException error = Errors.of(result.getFailure());
            if (error instanceof UnauthenticatedException && !append.renewed) {
                append.error = error;
                refused = refused == null ? new ArrayList<>() : refused;
                refused.add(append);
            } else {
                failed(append, error);
            }
        }
        if (refused != null) {
            renew(refused);
        }
        if (!queue.isEmpty() || closing) {
            send();
        }
    }

    /** One append failed: it is sent again later, or its caller is told. */
    private void failed(PendingAppend append, MinkException error) {
        long now = System.nanoTime();
        append.dueAt = now + Backoff.nanos(append.attempts, error);
        append.attempts++;
        append.error = error;
        if (Backoff.isTransient(error) && append.dueAt - append.deadline < 0) {
            delayed.add(append);
            watch(append.dueAt);
        } else {
            append.future.completeExceptionally(error);
        }
    }

    /** Sends again with other credentials what was refused with these, if there are others. */
    private void renew(List<PendingAppend> refused) {
        refused.forEach(append -> append.renewed = true);
        renewing.addAll(refused);
        int version = session == null ? connection.version() : session.version();
        connection.renew(version, renewed -> {
            for (PendingAppend append : refused) {
                if (!renewing.remove(append) || append.future.isDone()) {
                    continue; // its time is over
                }
                if (renewed) {
                    queue.add(append);
                } else {
                    append.future.completeExceptionally(append.error);
                }
            }
            send();
        });
    }

    @Override
    public void ended(AppendSession ended) {
        session = null;
        sendAgain();
        send();
    }

    @Override
    public void broken(AppendSession broken, Supplier<MinkException> why) {
        MinkException error = why.get();
        down = why;
        if (error instanceof UnauthenticatedException) {
            refused(why);
            return;
        }
        session = null;
        if (!Backoff.isTransient(error)) {
            failAll(why);
            return;
        }
        for (PendingAppend append : inFlight.values()) {
            append.attempts++;
            append.error = error;
        }
        sendAgain();
        paused = true;
        connection.schedule(
                () -> {
                    paused = false;
                    send();
                },
                waits.next(error));
    }

    /** The session itself was refused: the appends that were to go over it get other credentials once, if there are others. */
    private void refused(Supplier<MinkException> why) {
        List<PendingAppend> again = new ArrayList<>();
        for (PendingAppend append : all()) {
            if (renewing.contains(append) || append.future.isDone()) {
                continue;
            }
            if (append.renewed) {
                append.future.completeExceptionally(why.get());
            } else {
                append.error = why.get();
                again.add(append);
            }
        }
        queue.clear();
        inFlight.clear();
        delayed.clear();
        renew(again); // knows the version by the session
        session = null;
    }

    /** Puts what was sent and not answered to the front of the queue, in its order. */
    private void sendAgain() {
        List<PendingAppend> unanswered = new ArrayList<>(inFlight.values());
        inFlight.clear();
        for (int at = unanswered.size() - 1; at >= 0; at--) {
            queue.addFirst(unanswered.get(at));
        }
    }

    private void failAll(Supplier<MinkException> why) {
        for (PendingAppend append : all()) {
            if (!append.future.isDone()) {
                append.future.completeExceptionally(why.get());
            }
        }
        queue.clear();
        inFlight.clear();
        delayed.clear();
        renewing.clear();
        if (closing) {
            drained.complete(null);
        }
    }

    private List<PendingAppend> all() {
        List<PendingAppend> all = new ArrayList<>(inFlight.values());
        all.addAll(queue);
        all.addAll(delayed);
        all.addAll(renewing);
        for (PendingAppend append = incoming.poll(); append != null; append = incoming.poll()) {
            queue.add(append);
            watch(append.deadline);
            all.add(append);
        }
        return all;
    }

    private boolean isEmpty() {
        return queue.isEmpty() && inFlight.isEmpty() && delayed.isEmpty() && renewing.isEmpty() && incoming.isEmpty();
    }

    // Time.

    private void watch(long at) {
        if (timer != null && timerAt - at <= 0) {
            return;
        }
        if (timer != null) {
            timer.cancel(false);
        }
        timerAt = at;
        timer = connection.schedule(this::tick, Math.max(0, at - System.nanoTime()));
    }

    /** Fails what is over its time, and queues what is due to be sent again. */
    private void tick() {
        timer = null;
        long now = System.nanoTime();
        List<PendingAppend> all = all();
        boolean over = false;
        long soonest = now + TimeUnit.DAYS.toNanos(1);
        for (PendingAppend append : all) {
            if (!append.future.isDone() && append.deadline - now <= 0) {
                append.future.completeExceptionally(whyLate(append));
            }
            if (append.future.isDone()) {
                over = true;
                inFlight.remove(append.number, append);
            } else if (append.deadline - soonest < 0) {
                soonest = append.deadline;
            }
        }
        if (over) {
            queue.removeIf(append -> append.future.isDone());
            delayed.removeIf(append -> append.future.isDone());
            renewing.removeIf(append -> append.future.isDone());
        }
        while (!delayed.isEmpty() && delayed.peek().dueAt - now <= 0) {
            queue.add(delayed.poll());
        }
        if (!delayed.isEmpty() && delayed.peek().dueAt - soonest < 0) {
            soonest = delayed.peek().dueAt;
        }
        if (!isEmpty()) {
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
