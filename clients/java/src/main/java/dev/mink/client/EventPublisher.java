package dev.mink.client;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Events for subscribers of {@link Flow}, with the rules of Reactive Streams: each subscriber has a call of its own, gets what it has
 * asked for and no more, and holds the server back when it asks for nothing.
 *
 * @param <T> what the inbox gives
 */
final class EventPublisher<T> implements Flow.Publisher<RecordedEvent> {
    private static final Logger LOG = System.getLogger("dev.mink.client");

    private final Supplier<Inbox<T>> begin;
    private final Function<T, List<dev.mink.client.protos.RecordedEvent>> events;
    private final Executor executor;

    /**
     * Makes one.
     *
     * @param begin begins a call for a subscriber
     * @param events the events in what comes
     * @param executor where subscribers are called
     */
    EventPublisher(
            Supplier<Inbox<T>> begin,
            Function<T, List<dev.mink.client.protos.RecordedEvent>> events,
            Executor executor) {
        this.begin = begin;
        this.events = events;
        this.executor = executor;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super RecordedEvent> subscriber) {
        Objects.requireNonNull(subscriber, "subscriber");
        var delivery = new Delivery(subscriber);
        Waiting.execute(executor, delivery::begin);
    }

    /** What one subscriber gets. Its subscriber is called by one thread at a time. */
    private final class Delivery implements Flow.Subscription {
        private final Flow.Subscriber<? super RecordedEvent> subscriber;
        private final AtomicLong demand = new AtomicLong();
        /** How often there may have been something to do since it was last looked. */
        private final AtomicInteger work = new AtomicInteger();

        private volatile boolean cancelled;
        private volatile boolean wrongDemand;
        private volatile Inbox<T> inbox;
        // What is below is used by the one that delivers.
        private List<dev.mink.client.protos.RecordedEvent> batch = List.of();
        private int at;

        Delivery(Flow.Subscriber<? super RecordedEvent> subscriber) {
            this.subscriber = subscriber;
        }

        void begin() {
            work.incrementAndGet(); // nothing is delivered while onSubscribe runs
            try {
                subscriber.onSubscribe(this);
                if (!cancelled) {
                    open();
                }
            } catch (Throwable error) { // also an Error: a call that nobody hears of any more is not to stay open
                threw(error);
            }
            deliver(1);
        }

        private void open() {
            try {
                inbox = begin.get();
            } catch (MinkException error) { // the client is closed
                cancelled = true;
                subscriber.onError(error);
                return;
            }
            inbox.listen(this::look);
            if (cancelled) {
                inbox.close("the subscription");
            }
        }

        @Override
        public void request(long n) {
            if (n <= 0) {
                wrongDemand = true;
            } else {
                demand.accumulateAndGet(n, (a, b) -> a + b < 0 ? Long.MAX_VALUE : a + b);
            }
            look();
        }

        @Override
        public void cancel() {
            cancelled = true;
            Inbox<T> open = inbox;
            if (open != null) {
                open.close("the subscription");
            }
        }

        private void look() {
            if (work.getAndIncrement() == 0) {
                Waiting.execute(executor, () -> deliver(1));
            }
        }

        private void deliver(int known) {
            int done = known;
            do {
                try {
                    deliverSome();
                } catch (Throwable error) {
                    threw(error);
                }
                int left = work.addAndGet(-done);
                done = left;
            } while (done != 0);
        }

        private void deliverSome() {
            while (!cancelled) {
                if (wrongDemand) {
                    cancel();
                    subscriber.onError(
                            new IllegalArgumentException("request: more than 0 (rule 3.9 of Reactive Streams)"));
                    return;
                }
                if (inbox == null) {
                    return;
                }
                if (at >= batch.size() && !fill()) {
                    return;
                }
                if (demand.get() == 0) {
                    return;
                }
                RecordedEvent event = new RecordedEvent(batch.get(at++));
                demand.accumulateAndGet(1, (a, b) -> a == Long.MAX_VALUE ? a : a - b);
                subscriber.onNext(event);
            }
        }

        /** Gets the next events; whether there are any. Tells the subscriber if none will come. */
        private boolean fill() {
            while (at >= batch.size()) {
                T item = inbox.poll();
                if (item == null) {
                    if (inbox.isOver() && !cancelled) {
                        cancelled = true;
                        MinkException error = inbox.failure();
                        if (error != null) {
                            subscriber.onError(error);
                        } else {
                            subscriber.onComplete();
                        }
                    }
                    return false;
                }
                batch = events.apply(item);
                at = 0;
            }
            return true;
        }

        /** Ends it. An Error goes on to whoever looks after the thread. */
        private void threw(Throwable error) {
            cancel();
            if (error instanceof Error serious) {
                throw serious;
            }
            LOG.log(Level.WARNING, "a subscriber failed, and gets nothing more (rule 2.13 of Reactive Streams)", error);
        }
    }
}
