package dev.mink.client;

import com.google.protobuf.ByteString;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;

/** A state saved for a stream at a version: a thin view of the message that came. */
public final class Snapshot {
    private final dev.mink.client.protos.Snapshot message;

    Snapshot(dev.mink.client.protos.Snapshot message) {
        this.message = message;
    }

    /**
     * The stream.
     *
     * @return its name
     */
    public String stream() {
        return message.getStream();
    }

    /**
     * The version of the last event that the state includes.
     *
     * @return 1 or more
     */
    public long version() {
        return message.getVersion();
    }

    /**
     * When the server saved it.
     *
     * @return a moment, by the server's clock
     */
    public Instant savedAt() {
        return Times.moment(message.getSavedAt());
    }

    /**
     * Whether the state is JSON text; otherwise it is bytes.
     *
     * @return true for JSON
     */
    public boolean isJson() {
        return message.hasJson();
    }

    /**
     * The state as JSON text, character for character as it was saved.
     *
     * @return JSON text
     * @throws IllegalStateException if the state is bytes
     */
    public String json() {
        if (!message.hasJson()) {
            throw new IllegalStateException("the state is bytes, not JSON: use data()");
        }
        return message.getJson();
    }

    /**
     * The state, byte for byte as it was saved; JSON text as UTF-8.
     *
     * @return a copy
     */
    public byte[] data() {
        return message.hasJson()
                ? message.getJson().getBytes(StandardCharsets.UTF_8)
                : message.getBinary().toByteArray();
    }

    /**
     * How large the state is.
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
     * What is known about the state beside itself.
     *
     * @return text by name; cannot be changed
     */
    public Map<String, String> metadata() {
        return message.getMetadataMap();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Snapshot that && message.equals(that.message);
    }

    @Override
    public int hashCode() {
        return stream().hashCode() * 31 + Long.hashCode(version());
    }

    /** Its stream and version; not its state. */
    @Override
    public String toString() {
        return "Snapshot[" + stream() + " version " + version() + "]";
    }
}
