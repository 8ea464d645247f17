package dev.mink.client;

/** No event was ever appended to the stream. */
public class StreamNotFoundException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final String stream;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param stream the stream's name
     */
    public StreamNotFoundException(String message, String stream) {
        super("STREAM_NOT_FOUND", message);
        this.stream = stream;
    }

    StreamNotFoundException(String reason, String message, String stream) {
        super(reason, message);
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
