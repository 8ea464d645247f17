package dev.mink.client;

import com.google.protobuf.ByteString;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;

/**
 * An event to append. It never changes.
 *
 * <p>It gets its id, a UUIDv7, when it is made: appending the same object again is a replay, and gets the first answer.
 */
public final class NewEvent {
    private final String id;
    private final String type;
    private final String json;
    private final ByteString binary;
    private final Map<String, String> metadata;

    private NewEvent(String id, String type, String json, ByteString binary, Map<String, String> metadata) {
        this.id = id;
        this.type = type;
        this.json = json;
        this.binary = binary;
        this.metadata = metadata;
    }

    /**
     * Makes an event whose payload is JSON text, which comes back character for character.
     *
     * @param type what happened, 1 to 255 characters, no control characters. Example: {@code OrderPlaced}
     * @param json JSON text; the server checks it
     * @return the event
     * @throws IllegalArgumentException if a text has half a character in it
     */
    public static NewEvent json(String type, String json) {
        return new NewEvent(Uuid7.next(), Texts.checked("type", type), Texts.checked("json", json), null, Map.of());
    }

    /**
     * Makes an event whose payload is bytes.
     *
     * @param type what happened, 1 to 255 characters, no control characters
     * @param payload any bytes, possibly none; they are copied
     * @return the event
     * @throws IllegalArgumentException if the type has half a character in it
     */
    public static NewEvent binary(String type, byte[] payload) {
        return new NewEvent(
                Uuid7.next(),
                Texts.checked("type", type),
                null,
                ByteString.copyFrom(Objects.requireNonNull(payload, "payload")),
                Map.of());
    }

    /**
     * The same event with another id.
     *
     * @param id a UUID
     * @return an event
     */
    public NewEvent withId(UUID id) {
        return withId(Objects.requireNonNull(id, "id").toString());
    }

    /**
     * The same event with another id.
     *
     * @param id a UUID as text; the server checks it. Empty: the client makes one
     * @return an event
     */
    public NewEvent withId(String id) {
        String text = Texts.checked("id", id);
        return new NewEvent(text.isEmpty() ? Uuid7.next() : text, type, json, binary, metadata);
    }

    /**
     * The same event with one more entry in its metadata.
     *
     * @param name a name. Example: {@code correlationId}
     * @param value what it says
     * @return an event
     */
    public NewEvent withMetadata(String name, String value) {
        return withMetadata(Map.of(Texts.checked("metadata", name), Texts.checked("metadata", value)));
    }

    /**
     * The same event with more in its metadata.
     *
     * @param entries what is known about the event beside its facts; a name that is there already is replaced
     * @return an event
     */
    public NewEvent withMetadata(Map<String, String> entries) {
        Objects.requireNonNull(entries, "entries");
        Map<String, String> all = new HashMap<>(metadata);
        entries.forEach((name, value) -> all.put(Texts.checked("metadata", name), Texts.checked("metadata", value)));
        return new NewEvent(id, type, json, binary, Map.copyOf(all));
    }

    /**
     * The event's id.
     *
     * @return a UUID as text
     */
    public String id() {
        return id;
    }

    /**
     * What happened.
     *
     * @return the type
     */
    public String type() {
        return type;
    }

    /**
     * Whether the payload is JSON text; otherwise it is bytes.
     *
     * @return true for JSON
     */
    public boolean isJson() {
        return json != null;
    }

    /**
     * What is known about the event beside its facts.
     *
     * @return text by name; cannot be changed
     */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** Writes it for the server, with entries for the metadata that it does not have. */
    dev.mink.client.protos.NewEvent toMessage(Map<String, String> trace) {
        var message = dev.mink.client.protos.NewEvent.newBuilder().setId(id).setType(type);
        if (json != null) {
            message.setJson(json);
        } else {
            message.setBinary(binary);
        }
        if (!metadata.isEmpty()) {
            message.putAllMetadata(metadata);
        }
        if (!trace.isEmpty() && !metadata.containsKey(Tracing.TRACEPARENT)) {
            message.putAllMetadata(trace);
        }
        return message.build();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof NewEvent that
                && id.equals(that.id)
                && type.equals(that.type)
                && Objects.equals(json, that.json)
                && Objects.equals(binary, that.binary)
                && metadata.equals(that.metadata);
    }

    @Override
    public int hashCode() {
        return id.hashCode();
    }

    /** Its type and id; not its payload. */
    @Override
    public String toString() {
        return "NewEvent[" + type + ", " + id + "]";
    }
}
