package dev.mink.client;

import java.time.Duration;

/** The server cannot reach its Postgres, or cannot write to it. */
public final class DatabaseUnavailableException extends UnavailableException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param retryAfter how long the server asks to wait; null if it did not say
     */
    public DatabaseUnavailableException(String message, Duration retryAfter) {
        super("DATABASE_UNAVAILABLE", message, retryAfter);
    }
}
