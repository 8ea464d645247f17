package dev.mink.client;

import java.util.List;

/**
 * Which events of the log to take. An event passes if {@code streams}, {@code streamPrefixes} or {@code categories} chooses its stream
 * (or all three are empty), and {@code types} its type (or is empty). The server applies it.
 *
 * @param streams streams, by their whole name
 * @param streamPrefixes streams, by how their name begins
 * @param categories streams, by the part of their name before the first {@code -}
 * @param types event types
 */
public record EventFilter(
        List<String> streams, List<String> streamPrefixes, List<String> categories, List<String> types) {
    /** Every event. Where to begin: {@code EventFilter.ALL.categories("Order").types("OrderPlaced")}. */
    public static final EventFilter ALL = new EventFilter(List.of(), List.of(), List.of(), List.of());

    /**
     * Makes a filter; the lists are copied.
     *
     * @param streams streams, by their whole name
     * @param streamPrefixes streams, by how their name begins
     * @param categories streams, by the part of their name before the first {@code -}
     * @param types event types
     */
    public EventFilter {
        streams = checked("streams", streams);
        streamPrefixes = checked("streamPrefixes", streamPrefixes);
        categories = checked("categories", categories);
        types = checked("types", types);
    }

    /**
     * The same filter with other streams.
     *
     * @param names whole names
     * @return a filter
     */
    public EventFilter streams(String... names) {
        return new EventFilter(Arguments.list("streams", names), streamPrefixes, categories, types);
    }

    /**
     * The same filter with other prefixes of streams.
     *
     * @param prefixes how names begin
     * @return a filter
     */
    public EventFilter streamPrefixes(String... prefixes) {
        return new EventFilter(streams, Arguments.list("streamPrefixes", prefixes), categories, types);
    }

    /**
     * The same filter with other categories.
     *
     * @param names parts of streams' names before the first {@code -}
     * @return a filter
     */
    public EventFilter categories(String... names) {
        return new EventFilter(streams, streamPrefixes, Arguments.list("categories", names), types);
    }

    /**
     * The same filter with other types.
     *
     * @param names event types
     * @return a filter
     */
    public EventFilter types(String... names) {
        return new EventFilter(streams, streamPrefixes, categories, Arguments.list("types", names));
    }

    dev.mink.client.protos.EventFilter toMessage() {
        return dev.mink.client.protos.EventFilter.newBuilder()
                .addAllStreams(streams)
                .addAllStreamPrefixes(streamPrefixes)
                .addAllCategories(categories)
                .addAllTypes(types)
                .build();
    }

    private static List<String> checked(String name, List<String> texts) {
        List<String> all = Arguments.list(name, texts);
        all.forEach(text -> Texts.checked(name, text));
        return all;
    }
}
