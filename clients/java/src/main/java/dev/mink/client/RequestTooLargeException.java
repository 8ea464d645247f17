package dev.mink.client;

/**
 * The events of one append are together larger than the server takes. Also what gRPC itself refuses, an append or a snapshot that is larger
 * than its largest message: {@link #size} is then that of the message, {@link #limit} 0, and
 * {@link #reason} {@code RESOURCE_EXHAUSTED}.
 */
public final class RequestTooLargeException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final long size;

    private final long limit;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param size the size, in bytes
     * @param limit the limit, in bytes; 0: not known
     */
    public RequestTooLargeException(String message, long size, long limit) {
        this("REQUEST_TOO_LARGE", message, size, limit);
    }

    RequestTooLargeException(String reason, String message, long size, long limit) {
        super(reason, message);
        this.size = size;
        this.limit = limit;
    }

    /**
     * The size.
     *
     * @return in bytes
     */
    public long size() {
        return size;
    }

    /**
     * The limit that it breaks.
     *
     * @return in bytes; 0: not known, because gRPC itself refused it
     */
    public long limit() {
        return limit;
    }
}
