package dev.mink.client;

/** The stream was deleted. */
public final class StreamDeletedException extends StreamNotFoundException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param stream the stream's name
     */
    public StreamDeletedException(String message, String stream) {
        super("STREAM_DELETED", message, stream);
    }
}
