package dev.mink.client.conformance;

import static dev.mink.client.conformance.Given.isTrue;
import static dev.mink.client.conformance.Given.number;
import static dev.mink.client.conformance.Given.text;

import dev.mink.client.*;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The operations of the cases on a client: each takes its arguments as the case says them, and gives what the client gives. */
final class Operations {
    private Operations() {}

    /** Appends; the events still have their words in braces. */
    static Map<String, Object> append(Mink mink, Map<?, ?> said, Scope scope) {
        String stream = text(Braces.replaced(said.get("stream"), scope));
        Expected expected = Given.expected(Braces.replaced(said.get("expected"), scope));
        List<NewEvent> events = Given.events(said.get("events"), scope);
        Context context = said.containsKey("trace")
                ? context(text(Braces.replaced(said.get("trace"), scope)))
                : Context.current();
        return context.wrapSupplier(() -> Told.appended(mink.append(stream, expected, events)))
                .get();
    }

    /** The context that a traceparent names. */
    private static Context context(String traceparent) {
        TextMapGetter<String> getter = (carrier, key) -> key.equals("traceparent") ? carrier : null;
        Context found = W3CTraceContextPropagator.getInstance().extract(Context.root(), traceparent, getter);
        if (!Span.fromContext(found).getSpanContext().isValid()) {
            throw new CaseException("'" + traceparent + "' names no trace");
        }
        return found;
    }

    /** Appends to several streams; the parts still have their words in braces. */
    static Map<String, Object> appendMany(Mink mink, Map<?, ?> said, Scope scope) {
        return Told.appendedMany(mink.appendMany(Given.parts((List<?>) said.get("appends"), scope)));
    }

    /** What an operation without words in braces gives; nothing if it is none on a client. */
    static Optional<Map<String, Object>> onClient(String operation, Mink mink, Map<?, ?> said) {
        return Optional.ofNullable(
                switch (operation) {
                    case "read_stream" -> readStream(mink, said);
                    case "read_all" -> readAll(mink, said);
                    case "load" -> load(mink, said);
                    case "get_stream" -> Told.stream(mink.getStream(text(said.get("stream"))));
                    case "list_streams" -> listStreams(mink, said);
                    case "truncate_stream" ->
                        Told.removed(mink.truncateStream(text(said.get("stream")), number(said, "before_version")));
                    case "delete_stream" -> deleteStream(mink, said);
                    case "save_snapshot" -> saveSnapshot(mink, said);
                    case "load_snapshot" ->
                        Map.of("snapshot", Told.snapshot(mink.loadSnapshot(text(said.get("stream")))));
                    case "delete_snapshot" -> Map.of("version", mink.deleteSnapshot(text(said.get("stream"))));
                    case "close" -> {
                        mink.close();
                        yield Map.of();
                    }
                    default -> null;
                });
    }

    private static Map<String, Object> readStream(Mink mink, Map<?, ?> said) {
        var options =
                new ReadStreamOptions(isTrue(said, "backwards"), number(said, "from_version"), number(said, "limit"));
        return Map.of("events", read(mink.readStream(text(said.get("stream")), options)));
    }

    private static Map<String, Object> readAll(Mink mink, Map<?, ?> said) {
        var options = new ReadAllOptions(
                isTrue(said, "backwards"),
                number(said, "after"),
                number(said, "before"),
                number(said, "limit"),
                Given.filter(said));
        return Map.of("events", read(mink.readAll(options)));
    }

    /** One by one, as most programs do. */
    private static List<Object> read(EventReader reader) {
        try (reader) {
            List<Object> found = new ArrayList<>();
            reader.forEach(event -> found.add(Told.event(event)));
            return found;
        }
    }

    private static Map<String, Object> load(Mink mink, Map<?, ?> said) {
        LoadedStream found = mink.load(text(said.get("stream")));
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("snapshot", found.snapshot().map(Told::snapshot).orElse(null));
        told.put("events", Told.events(found.events()));
        return told;
    }

    private static Map<String, Object> listStreams(Mink mink, Map<?, ?> said) {
        var options = new ListStreamsOptions(
                said.containsKey("prefix") ? text(said.get("prefix")) : "", isTrue(said, "include_deleted"), (int)
                        number(said, "page_size"));
        return Map.of("streams", mink.listStreams(options).map(Told::stream).toList());
    }

    private static Map<String, Object> deleteStream(Mink mink, Map<?, ?> said) {
        String stream = text(said.get("stream"));
        Expected expected = Given.expected(said.get("expected"));
        return Told.removed(
                isTrue(said, "tombstone")
                        ? mink.tombstoneStream(stream, expected)
                        : mink.deleteStream(stream, expected));
    }

    private static Map<String, Object> saveSnapshot(Mink mink, Map<?, ?> said) {
        SnapshotState state = said.containsKey("binary")
                ? SnapshotState.binary(Base64.getDecoder().decode(text(said.get("binary"))))
                : SnapshotState.json(text(said.get("json")));
        SnapshotSaved saved = mink.saveSnapshot(
                text(said.get("stream")),
                number(said, "version"),
                state.withMetadata(Given.metadata(said.get("metadata"))));
        return Map.of("saved", saved.saved(), "version", saved.version());
    }
}
