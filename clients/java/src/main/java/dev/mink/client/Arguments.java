package dev.mink.client;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** What callers give, checked: what is wrong is called by the name that they know. */
final class Arguments {
    private Arguments() {}

    /**
     * A copy of a list.
     *
     * @throws NullPointerException if it is null, or an item: {@code events[3]}
     */
    static <T> List<T> list(String name, List<T> items) {
        Objects.requireNonNull(items, name);
        int at = 0;
        for (T item : items) {
            if (item == null) {
                throw new NullPointerException(name + "[" + at + "]");
            }
            at++;
        }
        return List.copyOf(items);
    }

    /** The same for what was given one by one. */
    static <T> List<T> list(String name, T[] items) {
        Objects.requireNonNull(items, name);
        return list(name, Arrays.asList(items));
    }

    /**
     * A time that something may take.
     *
     * @throws NullPointerException if it is null
     * @throws IllegalArgumentException if it is not above zero
     */
    static Duration time(String name, Duration time) {
        Objects.requireNonNull(time, name);
        if (time.isNegative() || time.isZero()) {
            throw new IllegalArgumentException(name + ": above zero, not " + time);
        }
        return time;
    }
}
