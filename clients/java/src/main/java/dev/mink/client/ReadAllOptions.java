package dev.mink.client;

import java.util.Objects;

/**
 * Which events of the log to read, and in which order.
 *
 * @param backwards newest first
 * @param after forwards: only events after this position; 0: from the first
 * @param before backwards: only events before this position; 0: from the newest
 * @param limit how many events at most; 0: all
 * @param filter which events
 */
public record ReadAllOptions(boolean backwards, long after, long before, long limit, EventFilter filter) {
    /** The whole log, oldest first. */
    public static final ReadAllOptions FORWARDS = new ReadAllOptions(false, 0, 0, 0, EventFilter.ALL);

    /** The whole log, newest first. */
    public static final ReadAllOptions BACKWARDS = new ReadAllOptions(true, 0, 0, 0, EventFilter.ALL);

    /**
     * Makes options.
     *
     * @param backwards newest first
     * @param after forwards: only events after this position; 0: from the first
     * @param before backwards: only events before this position; 0: from the newest
     * @param limit how many events at most; 0: all
     * @param filter which events
     * @throws IllegalArgumentException if {@code after} is given backwards, or {@code before} forwards
     */
    public ReadAllOptions {
        Objects.requireNonNull(filter, "filter");
        if (backwards && after != 0) {
            throw new IllegalArgumentException("after: goes with reading forwards; backwards, use before");
        }
        if (!backwards && before != 0) {
            throw new IllegalArgumentException("before: goes with reading backwards; forwards, use after");
        }
    }

    /**
     * Forwards, after a position.
     *
     * @param position only events after it; 0: from the first
     * @return options
     */
    public static ReadAllOptions after(long position) {
        return new ReadAllOptions(false, position, 0, 0, EventFilter.ALL);
    }

    /**
     * Backwards, before a position.
     *
     * @param position only events before it; 0: from the newest
     * @return options
     */
    public static ReadAllOptions before(long position) {
        return new ReadAllOptions(true, 0, position, 0, EventFilter.ALL);
    }

    /**
     * The same with a limit.
     *
     * @param events how many events at most; 0: all
     * @return options
     */
    public ReadAllOptions limit(long events) {
        return new ReadAllOptions(backwards, after, before, events, filter);
    }

    /**
     * The same with a filter.
     *
     * @param which which events
     * @return options
     */
    public ReadAllOptions filter(EventFilter which) {
        return new ReadAllOptions(backwards, after, before, limit, which);
    }
}
