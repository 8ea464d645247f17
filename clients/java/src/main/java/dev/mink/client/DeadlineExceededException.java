package dev.mink.client;

/** The call did not end in its time. The outcome of an append is unknown; sending the same events again is safe. */
public final class DeadlineExceededException extends MinkException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     */
    public DeadlineExceededException(String message) {
        super("DEADLINE_EXCEEDED", message);
    }
}
