package dev.mink.client;

import dev.mink.client.protos.SubscribeAllResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * Follows the log: everything after a position, in order, then what is appended.
 *
 * <p>Each event comes once. When the server goes away, stops, or falls silent, it connects again and carries on after the last position
 * seen. One thread at a time goes through it; any thread may close it, and ask how far it is.
 *
 * <pre>{@code
 * try (Subscription events = mink.subscribeAll(SubscribeOptions.after(position, logId))) {
 *     for (RecordedEvent event : events) {
 *         handle(event);
 *         save(events.position(), events.logId());
 *     }
 * }
 * }</pre>
 *
 * <p>Going on throws {@link PositionAheadException} if the log is not the one that the position came from, another {@link
 * MinkException} that is not tried again, {@link UnavailableException} if the server has never answered, {@link ClientClosedException}
 * after closing, and {@link CallInterruptedException} if the thread is interrupted.
 */
public final class Subscription implements Iterable<RecordedEvent>, AutoCloseable {
    private final Inbox<SubscribeAllResponse> inbox;
    private List<dev.mink.client.protos.RecordedEvent> batch = List.of();
    private int at;
    /** Everything up to it is given out, once the batch is. */
    private long batchPosition;

    private volatile long position;
    private volatile long head;
    private volatile String logId;
    private volatile boolean caughtUp;

    Subscription(Inbox<SubscribeAllResponse> inbox, SubscribeOptions options) {
        this.inbox = inbox;
        this.batchPosition = options.position();
        this.position = options.position();
        this.logId = options.logId();
    }

    /**
     * The next event; waits for it.
     *
     * @return an event
     */
    public RecordedEvent next() {
        while (at >= batch.size()) {
            receive(Long.MAX_VALUE);
        }
        return take();
    }

    /**
     * The next event; waits for it, but not for ever.
     *
     * @param wait how long; not at all if it is not above zero
     * @return an event; nothing if none came in that time
     */
    public Optional<RecordedEvent> next(Duration wait) {
        long until = System.nanoTime() + Times.nanos(wait);
        while (at >= batch.size()) {
            long left = until - System.nanoTime();
            if (!receive(Math.max(0, left)) && left <= 0) {
                return Optional.empty();
            }
        }
        return Optional.of(take());
    }

    private RecordedEvent take() {
        RecordedEvent event = new RecordedEvent(batch.get(at++));
        position = event.position();
        return event;
    }

    /**
     * The next events, as many at once as the server sends: for speed. {@link #position()} is then behind all of them.
     *
     * @return at least one event
     */
    public List<RecordedEvent> nextBatch() {
        while (at >= batch.size()) {
            receive(Long.MAX_VALUE);
        }
        return takeBatch();
    }

    /**
     * The same, and not for ever: returns whenever the server says anything (a checkpoint every few seconds, caught up, fell behind), so
     * that {@link #position()} can be saved also when nothing matches.
     *
     * @param wait how long to wait for the server; not at all if it is not above zero
     * @return events; none if the server had something else to say, or nothing in that time
     */
    public List<RecordedEvent> nextBatch(Duration wait) {
        if (at >= batch.size()) {
            receive(Times.nanos(wait));
        }
        return takeBatch();
    }

    private List<RecordedEvent> takeBatch() {
        List<RecordedEvent> events = Views.of(batch, at);
        at = batch.size();
        position = batchPosition;
        return events;
    }

    /** Takes the next message. Whether one came in the time. */
    @SuppressWarnings("ReferenceEquality") // BROKEN is told by its identity
    private boolean receive(long nanos) {
        position = batchPosition;
        SubscribeAllResponse message = inbox.take(nanos);
        if (message == null) {
            return false;
        }
        if (message == SubscriptionSource.BROKEN) {
            caughtUp = false;
            return true;
        }
        switch (message.getMessageCase()) {
            case EVENTS -> {
                batch = message.getEvents().getEventsList();
                at = 0;
                batchPosition = message.getEvents().getPosition();
                return true;
            }
            case CHECKPOINT -> {
                batchPosition = message.getCheckpoint().getPosition();
                head = message.getCheckpoint().getHead();
                logId = message.getCheckpoint().getLogId();
            }
            case CAUGHT_UP -> {
                batchPosition = message.getCaughtUp().getPosition();
                caughtUp = true;
            }
            case FELL_BEHIND -> {
                batchPosition = message.getFellBehind().getPosition();
                caughtUp = false;
            }
            case MESSAGE_NOT_SET -> {
                return true;
            }
        }
        position = batchPosition;
        return true;
    }

    /**
     * The checkpoint: every event that passes the filter up to this position has been given out. Resume after it.
     *
     * @return a position
     */
    public long position() {
        return position;
    }

    /**
     * Whether all events that the log had were given out, and what follows is live.
     *
     * @return false also while the connection is broken
     */
    public boolean caughtUp() {
        return caughtUp;
    }

    /**
     * The newest position that the server has told of.
     *
     * @return a position; 0 before the first message
     */
    public long head() {
        return Math.max(head, position);
    }

    /**
     * How far it is behind the head, as far as is known.
     *
     * @return how many positions
     */
    public long lag() {
        return head() - position;
    }

    /**
     * The log's id. Keep it with the checkpoint, and give both to the next subscription.
     *
     * @return a UUID as text; what was given, or empty, before the first message
     */
    public String logId() {
        return logId;
    }

    /**
     * The events, one by one, without an end. Every call goes on where the one before has stopped.
     *
     * @return an iterator; its {@code next} waits
     */
    @Override
    public Iterator<RecordedEvent> iterator() {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return true;
            }

            @Override
            public RecordedEvent next() {
                return Subscription.this.next();
            }
        };
    }

    /**
     * The events as a stream of Java's, without an end. Closing that closes this.
     *
     * @return a sequential stream
     */
    public Stream<RecordedEvent> stream() {
        int traits = Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.IMMUTABLE;
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), traits), false)
                .onClose(this::close);
    }

    /** Ends the subscription. A thread that waits for it gets a {@link ClientClosedException}. */
    @Override
    public void close() {
        caughtUp = false;
        inbox.close("the subscription");
    }
}
