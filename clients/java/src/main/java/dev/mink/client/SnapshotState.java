package dev.mink.client;

import com.google.protobuf.ByteString;
import java.util.Map;
import java.util.Objects;

/** A state to save as a snapshot. It never changes. */
public final class SnapshotState {
    private final String json;
    private final ByteString binary;
    private final Map<String, String> metadata;

    private SnapshotState(String json, ByteString binary, Map<String, String> metadata) {
        this.json = json;
        this.binary = binary;
        this.metadata = metadata;
    }

    /**
     * A state that is JSON text, which comes back character for character.
     *
     * @param json JSON text; the server checks it
     * @return the state
     * @throws IllegalArgumentException if the text has half a character in it
     */
    public static SnapshotState json(String json) {
        return new SnapshotState(Texts.checked("json", json), null, Map.of());
    }

    /**
     * A state that is bytes.
     *
     * @param state any bytes, possibly none; they are copied
     * @return the state
     */
    public static SnapshotState binary(byte[] state) {
        return new SnapshotState(null, ByteString.copyFrom(Objects.requireNonNull(state, "state")), Map.of());
    }

    /**
     * The same state with metadata.
     *
     * @param entries what is known about the state beside itself. Example: the revision of the code that made it
     * @return a state
     */
    public SnapshotState withMetadata(Map<String, String> entries) {
        Objects.requireNonNull(entries, "entries");
        entries.forEach((name, value) -> {
            Texts.checked("metadata", name);
            Texts.checked("metadata", value);
        });
        return new SnapshotState(json, binary, Map.copyOf(entries));
    }

    dev.mink.client.protos.SaveSnapshotRequest toRequest(String stream, long version) {
        var request = dev.mink.client.protos.SaveSnapshotRequest.newBuilder()
                .setStream(stream)
                .setVersion(version)
                .putAllMetadata(metadata);
        if (json != null) {
            request.setJson(json);
        } else {
            request.setBinary(binary);
        }
        return request.build();
    }

    /** Its kind; not its content. */
    @Override
    public String toString() {
        return "SnapshotState[" + (json != null ? "json" : "binary") + "]";
    }
}
