package dev.mink.client;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;

/** Times of messages, as Java has them. */
final class Times {
    private Times() {}

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
