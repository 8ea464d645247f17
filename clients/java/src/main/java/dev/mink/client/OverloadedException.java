package dev.mink.client;

import java.time.Duration;
import java.util.Optional;

/** The server has as much work waiting as it lets in. Nothing was done. */
public final class OverloadedException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final Duration retryAfter;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param retryAfter how long the server asks to wait; null if it did not say
     */
    public OverloadedException(String message, Duration retryAfter) {
        super("OVERLOADED", message);
        this.retryAfter = retryAfter;
    }

    /**
     * How long the server asks to wait.
     *
     * @return a time; nothing if it did not say
     */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }
}
