package dev.mink.client;

/** The client, or what was opened with it, is closed. */
public final class ClientClosedException extends MinkException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     */
    public ClientClosedException(String message) {
        super("CLIENT_CLOSED", message);
    }
}
