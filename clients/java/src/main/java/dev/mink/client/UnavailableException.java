package dev.mink.client;

import java.time.Duration;
import java.util.Optional;

/** The server could not be reached, or could not do the work now. The outcome of an append is unknown; sending the same events again is safe. */
public class UnavailableException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final Duration retryAfter;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param retryAfter how long the server asks to wait; null if it did not say
     */
    public UnavailableException(String message, Duration retryAfter) {
        super("UNAVAILABLE", message);
        this.retryAfter = retryAfter;
    }

    UnavailableException(String reason, String message, Duration retryAfter) {
        super(reason, message);
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
