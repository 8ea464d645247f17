package dev.mink.client;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeUnit;

/** Times of messages, as Java has them. */
final class Times {
    /** More than anybody waits, and little enough to be added to any {@link System#nanoTime()}. */
    private static final Duration LONGEST = Duration.ofDays(36_500);

    private Times() {}

    /** A time in nanoseconds; a hundred years if it is longer than that, nothing if it is negative. */
    static long nanos(Duration time) {
        if (time.isNegative()) {
            return 0;
        }
        return (time.compareTo(LONGEST) < 0 ? time : LONGEST).toNanos();
    }

    /** The same in milliseconds, to be shown. */
    static long millis(Duration time) {
        return TimeUnit.NANOSECONDS.toMillis(nanos(time));
    }

    static Instant moment(Timestamp time) {
        long seconds = time.getSeconds();
        int nanos = time.getNanos();
        return Instant.ofEpochSecond(seconds, nanos);
    }

    static Duration span(com.google.protobuf.Duration time) {
        long seconds = time.getSeconds();
        int nanos = time.getNanos();
        return Duration.ofSeconds(seconds, nanos);
    }
}
