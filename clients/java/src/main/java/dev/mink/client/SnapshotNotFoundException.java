package dev.mink.client;

/** The stream has no snapshot. */
public final class SnapshotNotFoundException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final String stream;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param stream the stream's name
     */
    public SnapshotNotFoundException(String message, String stream) {
        super("SNAPSHOT_NOT_FOUND", message);
        this.stream = stream;
    }

    /**
     * The stream.
     *
     * @return its name
     */
    public String stream() {
        return stream;
    }
}
