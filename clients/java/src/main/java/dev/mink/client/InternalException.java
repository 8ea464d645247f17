package dev.mink.client;

/** The server failed in a way that it did not expect; its log says more. */
public final class InternalException extends MinkException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param reason {@code INTERNAL}, or {@code UNKNOWN} of gRPC itself
     * @param message what went wrong, for a person
     */
    public InternalException(String reason, String message) {
        super(reason, message);
    }
}
