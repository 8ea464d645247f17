package dev.mink.client;

import java.time.Duration;
import java.util.Objects;

/**
 * Where to begin to follow the log, and which events to take.
 *
 * @param fromEnd after the newest event that the log has now; {@code position} is not used then
 * @param position after this position; 0: from the first event
 * @param logId the id of the log that the position came from, so that a log that was replaced is noticed; empty: not known
 * @param filter which events
 * @param silenceTimeout how long nothing may be heard of the server, not even a checkpoint, before the connection counts as broken
 */
public record SubscribeOptions(
        boolean fromEnd, long position, String logId, EventFilter filter, Duration silenceTimeout) {
    private static final Duration SILENCE = Duration.ofSeconds(15);

    /**
     * Makes options.
     *
     * @param fromEnd after the newest event that the log has now; {@code position} is not used then
     * @param position after this position; 0: from the first event
     * @param logId the id of the log that the position came from, so that a log that was replaced is noticed; empty: not known
     * @param filter which events
     * @param silenceTimeout how long nothing may be heard of the server, not even a checkpoint, before the connection counts as broken
     */
    public SubscribeOptions {
        Texts.checked("logId", logId);
        Objects.requireNonNull(filter, "filter");
        Arguments.time("silenceTimeout", silenceTimeout);
    }

    /**
     * From the first event on.
     *
     * @return options
     */
    public static SubscribeOptions fromStart() {
        return after(0);
    }

    /**
     * After a position.
     *
     * @param position the position of the last event handled; 0: from the first event
     * @return options
     */
    public static SubscribeOptions after(long position) {
        return after(position, "");
    }

    /**
     * After a checkpoint.
     *
     * @param position {@link Subscription#position()} as it was kept
     * @param logId {@link Subscription#logId()} as it was kept with it
     * @return options
     */
    public static SubscribeOptions after(long position, String logId) {
        return new SubscribeOptions(false, position, logId, EventFilter.ALL, SILENCE);
    }

    /**
     * After the newest event that the log has now.
     *
     * @return options
     */
    public static SubscribeOptions atEnd() {
        return new SubscribeOptions(true, 0, "", EventFilter.ALL, SILENCE);
    }

    /**
     * The same with a filter.
     *
     * @param which which events
     * @return options
     */
    public SubscribeOptions filter(EventFilter which) {
        return new SubscribeOptions(fromEnd, position, logId, which, silenceTimeout);
    }

    /**
     * The same with the id of the log.
     *
     * @param id a UUID as text; empty: not known
     * @return options
     */
    public SubscribeOptions logId(String id) {
        return new SubscribeOptions(fromEnd, position, id, filter, silenceTimeout);
    }

    /**
     * The same with another patience.
     *
     * @param time how long nothing may be heard of the server
     * @return options
     */
    public SubscribeOptions silenceTimeout(Duration time) {
        return new SubscribeOptions(fromEnd, position, logId, filter, time);
    }
}
