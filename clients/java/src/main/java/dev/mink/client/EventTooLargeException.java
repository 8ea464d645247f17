package dev.mink.client;

/** One event is larger than the server takes. */
public final class EventTooLargeException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final long size;

    private final long limit;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param size the size, in bytes
     * @param limit the limit, in bytes
     */
    public EventTooLargeException(String message, long size, long limit) {
        super("EVENT_TOO_LARGE", message);
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
     * @return in bytes
     */
    public long limit() {
        return limit;
    }
}
