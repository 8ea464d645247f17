package dev.mink.client;

import dev.mink.client.protos.SubscribeAllResponse;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A connection to a Mink server, for programs that do not wait: {@link Mink#async()}.
 *
 * <p>What goes wrong with a call is in its future, as the exception that the method of {@link Mink} throws. Futures are completed in the
 * executor of the client, not in the thread that serves the network, so what depends on them may wait. Cancelling one gives up its call.
 * An argument that cannot be sent is thrown at once.
 */
public final class AsyncMink {
    private final Client client;
    private final Duration timeout;
    private final Calls calls;

    AsyncMink(Client client, Duration timeout) {
        this.client = client;
        this.timeout = timeout;
        this.calls = new Calls(client, timeout);
    }

    /**
     * The same client with another time for its calls.
     *
     * @param timeout how long a call may take, with its retries; above zero
     * @return a client
     */
    public AsyncMink withTimeout(Duration timeout) {
        return new AsyncMink(client, Arguments.time("timeout", timeout));
    }

    /**
     * Appends events to one stream, all or none. They are committed and flushed when this completes.
     *
     * <p>It is sent again by itself when the server is away or overloaded, which is safe: the ids of the events say what is the same.
     *
     * <p>Fails with what {@link Mink#append} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream
     * @param events the events, in order; at least one
     * @return where the events are
     */
    public CompletableFuture<AppendResult> append(String stream, Expected expected, List<NewEvent> events) {
        return given(() -> client.append(stream, expected, events, timeout), Client::appended);
    }

    /**
     * Appends events to one stream, all or none: {@link #append(String, Expected, List)}.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream
     * @param events the events, in order; at least one
     * @return where the events are
     */
    public CompletableFuture<AppendResult> append(String stream, Expected expected, NewEvent... events) {
        return append(stream, expected, Arguments.list("events", events));
    }

    /**
     * Appends events to several streams, all or none.
     *
     * <p>Fails with what {@link Mink#appendMany} throws.
     *
     * @param appends one entry a stream, each with its own expectation; an entry without events is only checked; at least one has events
     * @return where the events are, with one entry for each entry given
     */
    public CompletableFuture<AppendManyResult> appendMany(List<StreamAppend> appends) {
        return given(() -> client.appendMany(appends, timeout), Client::appendedMany);
    }

    /**
     * The newest snapshot of a stream, and the events that follow it, in one call.
     *
     * <p>Fails with what {@link Mink#load} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return the snapshot, if there is one, and the events after it
     */
    public CompletableFuture<LoadedStream> load(String stream) {
        return given(() -> client.load(stream, timeout), Function.identity());
    }

    /**
     * Saves a state, so that a load replays only what follows. A newer snapshot that is there is kept.
     *
     * <p>Fails with what {@link Mink#saveSnapshot} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param version the version of the last event that the state includes; 1 or more
     * @param state the state
     * @return whether it was saved
     */
    public CompletableFuture<SnapshotSaved> saveSnapshot(String stream, long version, SnapshotState state) {
        return given(() -> calls.saveSnapshot(stream, version, state), Function.identity());
    }

    /**
     * The newest snapshot of a stream.
     *
     * <p>Fails with what {@link Mink#loadSnapshot} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return the snapshot
     */
    public CompletableFuture<Snapshot> loadSnapshot(String stream) {
        return given(() -> calls.loadSnapshot(stream), Function.identity());
    }

    /**
     * Deletes the snapshot of a stream. Not sent again when its outcome is unknown.
     *
     * <p>Fails with what {@link Mink#deleteSnapshot} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return the version of the snapshot that was deleted
     */
    public CompletableFuture<Long> deleteSnapshot(String stream) {
        return given(() -> calls.deleteSnapshot(stream), Function.identity());
    }

    /**
     * What is known about a stream.
     *
     * <p>Fails with what {@link Mink#getStream} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return what is known
     */
    public CompletableFuture<StreamInfo> getStream(String stream) {
        return given(() -> calls.getStream(stream), Function.identity());
    }

    /**
     * A page of the streams, in the order of their names.
     *
     * @param options which streams
     * @param pageToken {@link StreamPage#nextPageToken()} of the page before; empty: the first page
     * @return the page
     */
    public CompletableFuture<StreamPage> listStreams(ListStreamsOptions options, String pageToken) {
        return given(() -> calls.listStreams(options, pageToken), Function.identity());
    }

    /**
     * Removes the events of a stream before a version, for good. Not sent again when its outcome is unknown.
     *
     * <p>Fails with what {@link Mink#truncateStream} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param beforeVersion the first version to keep: 1 to the stream's version + 1
     * @return how many events were removed, and the stream's version, which does not change
     */
    public CompletableFuture<Removed> truncateStream(String stream, long beforeVersion) {
        return given(() -> calls.truncateStream(stream, beforeVersion), Function.identity());
    }

    /**
     * Removes all events of a stream and its snapshot, for good. Its name may be used again. Not sent again when its outcome is unknown.
     *
     * <p>Fails with what {@link Mink#deleteStream} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream: its version, {@code ANY} or {@code STREAM_EXISTS}
     * @return how many events were removed, and the version that the stream had
     */
    public CompletableFuture<Removed> deleteStream(String stream, Expected expected) {
        return given(() -> calls.deleteStream(stream, expected), Function.identity());
    }

    /**
     * The same as {@link #deleteStream}, and leaves a tombstone: nothing can be appended under this name ever again.
     *
     * <p>Fails with what {@link Mink#tombstoneStream} throws.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream: its version, {@code ANY} or {@code STREAM_EXISTS}
     * @return how many events were removed, and the version that the stream had
     */
    public CompletableFuture<Removed> tombstoneStream(String stream, Expected expected) {
        return given(() -> calls.tombstoneStream(stream, expected), Function.identity());
    }

    /**
     * The events of a stream, as a publisher: each subscriber begins a reading of its own, gets what it asks for and no more, and is
     * completed at the end.
     *
     * @param stream the stream's name
     * @param options which events, and in which order
     * @return the events
     */
    public Flow.Publisher<RecordedEvent> readStream(String stream, ReadStreamOptions options) {
        Texts.checked("stream", stream);
        Objects.requireNonNull(options, "options");
        return new EventPublisher<>(
                () -> client.readStream(new StreamSource(stream, options), timeout),
                Function.identity(),
                client.executor());
    }

    /**
     * The log as it stands, as a publisher: each subscriber begins a reading of its own, gets what it asks for and no more, and is
     * completed at the head that the log had when its reading began.
     *
     * @param options which events, and in which order
     * @return the events
     */
    public Flow.Publisher<RecordedEvent> readAll(ReadAllOptions options) {
        Objects.requireNonNull(options, "options");
        return new EventPublisher<>(() -> client.readAll(options, timeout), Function.identity(), client.executor());
    }

    /**
     * The log from a position on, and then what is appended, as a publisher: each subscriber has a subscription of its own, gets what it
     * asks for and no more, and holds the server back when it asks for nothing. It carries on by itself as {@link Mink#subscribeAll}
     * does, and never completes; it fails with what going through a {@link Subscription} throws.
     *
     * @param options where to begin, and which events
     * @return the events; {@link RecordedEvent#position()} of the last one handled is where to resume after
     */
    public Flow.Publisher<RecordedEvent> subscribeAll(SubscribeOptions options) {
        Objects.requireNonNull(options, "options");
        Function<SubscribeAllResponse, List<dev.mink.client.protos.RecordedEvent>> events =
                message -> message.getEvents().getEventsList();
        return new EventPublisher<>(() -> client.subscribeAll(options, timeout), events, client.executor());
    }

    private <T, R> CompletableFuture<R> given(Supplier<CompletableFuture<T>> call, Function<T, R> convert) {
        CompletableFuture<T> made;
        try {
            made = call.get();
        } catch (MinkException error) {
            made = CompletableFuture.failedFuture(error);
        }
        return Waiting.handOver(made, convert, client.executor());
    }
}
