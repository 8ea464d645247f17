package dev.mink.client;

import com.google.protobuf.ByteString;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;

/** An event in the log: a thin view of the message that came. */
public final class RecordedEvent {
    private final dev.mink.client.protos.RecordedEvent message;

    RecordedEvent(dev.mink.client.protos.RecordedEvent message) {
        this.message = message;
    }

    /**
     * The event's number in the log, in the order of commits.
     *
     * @return 1, 2, 3 …
     */
    public long position() {
        return message.getPosition();
    }

    /**
     * The event's number in its stream.
     *
     * @return 1, 2, 3 …
     */
    public long version() {
        return message.getVersion();
    }

    /**
     * The event's id.
     *
     * @return a UUID as text, in lower case, with hyphens
     */
    public String id() {
        return message.getId();
    }

    /**
     * The event's stream.
     *
     * @return its name
     */
    public String stream() {
        return message.getStream();
    }

    /**
     * The category of the event's stream.
     *
     * @return the part of the name before its first {@code -}; the whole name if it has none
     */
    public String category() {
        return Streams.category(message.getStream());
    }

    /**
     * What happened.
     *
     * @return the type
     */
    public String type() {
        return message.getType();
    }

    /**
     * When the server recorded the event.
     *
     * @return a moment, by the server's clock
     */
    public Instant recordedAt() {
        return Times.moment(message.getRecordedAt());
    }

    /**
     * Whether the payload is JSON text; otherwise it is bytes.
     *
     * @return true for JSON
     */
    public boolean isJson() {
        return message.hasJson();
    }

    /**
     * The payload as JSON text, character for character as it was appended.
     *
     * @return JSON text
     * @throws IllegalStateException if the payload is bytes
     */
    public String json() {
        if (!message.hasJson()) {
            throw new IllegalStateException("the payload is bytes, not JSON: use data()");
        }
        return message.getJson();
    }

    /**
     * The payload, byte for byte as it was appended; JSON text as UTF-8.
     *
     * @return a copy
     */
    public byte[] data() {
        return message.hasJson()
                ? message.getJson().getBytes(StandardCharsets.UTF_8)
                : message.getBinary().toByteArray();
    }

    /**
     * How large the payload is.
     *
     * @return bytes; of JSON text in UTF-8
     */
    public int size() {
        return bytes().size();
    }

    private ByteString bytes() {
        return message.hasJson() ? message.getJsonBytes() : message.getBinary();
    }

    /**
     * What is known about the event beside its facts.
     *
     * @return text by name; cannot be changed
     */
    public Map<String, String> metadata() {
        return message.getMetadataMap();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RecordedEvent that && message.equals(that.message);
    }

    @Override
    public int hashCode() {
        return Long.hashCode(position());
    }

    /** Its position, stream, version and type; not its payload. */
    @Override
    public String toString() {
        return "RecordedEvent[" + position() + ", " + stream() + " version " + version() + ", " + type() + "]";
    }
}
