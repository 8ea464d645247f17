package dev.mink.client;

/** The position lies beyond the head, or belongs to another log: this is not the log that it came from. Final. */
public final class PositionAheadException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final long position;

    private final long head;

    private final String logId;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param position the position that was asked for
     * @param head the newest position of this log
     * @param logId the id of this log
     */
    public PositionAheadException(String message, long position, long head, String logId) {
        super("POSITION_AHEAD", message);
        this.position = position;
        this.head = head;
        this.logId = logId;
    }

    /**
     * The position that was asked for.
     *
     * @return a position
     */
    public long position() {
        return position;
    }

    /**
     * The newest position of this log.
     *
     * @return a position; 0 if the log is empty
     */
    public long head() {
        return head;
    }

    /**
     * The id of this log.
     *
     * @return a UUID as text
     */
    public String logId() {
        return logId;
    }
}
