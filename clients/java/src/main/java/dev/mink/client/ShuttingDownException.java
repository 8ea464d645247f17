package dev.mink.client;

import java.time.Duration;

/** The server is about to stop. Another one may serve the next attempt. */
public final class ShuttingDownException extends UnavailableException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param retryAfter how long the server asks to wait; null if it did not say
     */
    public ShuttingDownException(String message, Duration retryAfter) {
        super("SHUTTING_DOWN", message, retryAfter);
    }
}
