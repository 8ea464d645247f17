package dev.mink.client.conformance;

import dev.mink.client.RecordedEvent;
import dev.mink.client.Subscription;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A subscription of a case. */
final class Followed implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final Subscription subscription;

    Followed(Subscription subscription) {
        this.subscription = subscription;
    }

    /** Takes events. */
    Map<String, Object> next(int count) {
        List<Object> found = new ArrayList<>();
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (found.size() < count) {
            Optional<RecordedEvent> event = subscription.next(left(end));
            if (event.isEmpty()) {
                throw new CaseException(found.size() + " of " + count + " events came within " + PATIENCE);
            }
            found.add(Told.event(event.get()));
        }
        return about(found);
    }

    /** Takes messages until the subscription has caught up. */
    Map<String, Object> caughtUp() {
        List<Object> found = new ArrayList<>();
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!subscription.caughtUp()) {
            if (left(end).isZero()) {
                throw new CaseException("not caught up within " + PATIENCE + ", after " + found.size() + " events");
            }
            found.addAll(Told.events(subscription.nextBatch(left(end))));
        }
        return about(found);
    }

    /** Waits for events that are not to come. */
    Map<String, Object> quiet(Duration time) {
        subscription.next(time).ifPresent(event -> {
            throw new CaseException("an event came, where none was to come for " + time + ": " + Told.event(event));
        });
        return about(List.of());
    }

    /** Takes events until the subscription fails, which is thrown. */
    Map<String, Object> ended() {
        List<Object> found = new ArrayList<>();
        long end = System.nanoTime() + PATIENCE.toNanos();
        for (var event = subscription.next(left(end)); event.isPresent(); event = subscription.next(left(end))) {
            found.add(Told.event(event.get()));
        }
        throw new CaseException(
                "the subscription did not end within " + PATIENCE + ", after " + found.size() + " events");
    }

    private static Duration left(long end) {
        return Duration.ofNanos(Math.max(0, end - System.nanoTime()));
    }

    private Map<String, Object> about(List<Object> events) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("events", events);
        said.put("position", subscription.position());
        said.put("head", subscription.head());
        said.put("log_id", subscription.logId());
        return said;
    }

    @Override
    public void close() {
        subscription.close();
    }
}
