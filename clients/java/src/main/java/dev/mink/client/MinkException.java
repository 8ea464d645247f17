package dev.mink.client;

/**
 * A call to Mink failed.
 *
 * <p>Its {@link #reason()} says why, and most reasons have a type of their own, with data. The message is for people, and may change
 * from release to release: no program should look into it.
 */
public class MinkException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String reason;

    /**
     * Makes an exception.
     *
     * @param reason the name of a reason
     * @param message what went wrong, for a person
     */
    public MinkException(String reason, String message) {
        super(message);
        this.reason = reason;
    }

    /**
     * Why the call failed.
     *
     * @return the name of a {@code mink.v1.ErrorReason}, such as {@code WRONG_EXPECTED_VERSION}; or the name of gRPC's status code, if
     *     the error did not come from Mink itself
     */
    public String reason() {
        return reason;
    }

    /** Attaches what gRPC says of the cause, such as a refused connection. */
    final MinkException because(Throwable cause) {
        if (cause != null && getCause() == null) {
            initCause(cause);
        }
        return this;
    }
}
