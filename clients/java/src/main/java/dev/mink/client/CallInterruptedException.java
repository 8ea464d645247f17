package dev.mink.client;

/** The thread was interrupted while it waited; it is still marked as interrupted. The outcome of an append is unknown. */
public final class CallInterruptedException extends MinkException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     */
    public CallInterruptedException(String message) {
        super("INTERRUPTED", message);
    }
}
