package dev.mink.client;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The events of a stream or of the log, as they stand, one after the other.
 *
 * <p>It carries on by itself after the last event seen when a call breaks. It can be gone through once, by one thread at a time. Close
 * it, unless you go through it to its end: an open one is an open call.
 *
 * <pre>{@code
 * try (EventReader events = mink.readStream("Order-1")) {
 *     for (RecordedEvent event : events) {
 *         System.out.println(event.type());
 *     }
 * }
 * }</pre>
 *
 * <p>Going on throws a {@link MinkException} where the reading fails; {@link CallInterruptedException} if the thread is interrupted.
 */
public final class EventReader implements Iterable<RecordedEvent>, AutoCloseable {
    private final Inbox<List<dev.mink.client.protos.RecordedEvent>> inbox;
    private List<dev.mink.client.protos.RecordedEvent> batch = List.of();
    private int at;
    private volatile boolean ended;
    private volatile boolean closed;

    EventReader(Inbox<List<dev.mink.client.protos.RecordedEvent>> inbox) {
        this.inbox = inbox;
    }

    /**
     * The events, one by one. Every call goes on where the one before has stopped.
     *
     * @return an iterator; its {@code hasNext} waits for the server
     */
    @Override
    public Iterator<RecordedEvent> iterator() {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return fill();
            }

            @Override
            public RecordedEvent next() {
                if (!fill()) {
                    throw new NoSuchElementException();
                }
                return new RecordedEvent(batch.get(at++));
            }
        };
    }

    /**
     * The events, as many at once as the server sends: for speed.
     *
     * @return at least one event; none at the end
     */
    public List<RecordedEvent> nextBatch() {
        if (!fill()) {
            return List.of();
        }
        List<RecordedEvent> events = Views.of(batch, at);
        at = batch.size();
        return events;
    }

    /**
     * The events as a stream of Java's. Closing that closes this.
     *
     * @return a sequential stream
     */
    public Stream<RecordedEvent> stream() {
        int traits = Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.IMMUTABLE;
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), traits), false)
                .onClose(this::close);
    }

    /**
     * All events that are left, at once, and closes.
     *
     * @return a list
     */
    public List<RecordedEvent> toList() {
        try (this) {
            List<RecordedEvent> events = new ArrayList<>();
            while (fill()) {
                events.addAll(nextBatch());
            }
            return events;
        }
    }

    private boolean fill() {
        if (closed && !ended) {
            throw closedError();
        }
        while (at >= batch.size()) {
            if (ended) {
                return false;
            }
            at = 0;
            batch = List.of();
            var next = inbox.take(Long.MAX_VALUE);
            if (next == null) {
                if (closed) { // by another thread; whether all had come by then is chance
                    throw closedError();
                }
                ended = true;
                return false;
            }
            batch = next;
        }
        return true;
    }

    private static ClientClosedException closedError() {
        return new ClientClosedException("the reading is closed");
    }

    /**
     * Ends the reading. Who goes on always gets a {@link ClientClosedException}; but who had been told of the end before, by {@code
     * hasNext}, by an empty batch or by {@link #toList}, is told of the end again.
     */
    @Override
    public void close() {
        if (!ended) {
            closed = true;
            inbox.close("the reading");
        }
    }
}
