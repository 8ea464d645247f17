package dev.mink.client;

import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * A connection to a Mink server. Make one, share it between all threads, close it at the end: what its callers append at the same time
 * travels in the same messages.
 *
 * <pre>{@code
 * try (Mink mink = Mink.connect("localhost:50051")) {
 *     mink.append("Order-1", Expected.NO_STREAM, NewEvent.json("OrderPlaced", "{\"sku\":\"A-1\"}"));
 * }
 * }</pre>
 *
 * <p>Its methods wait; {@link #async()} has the same ones that do not. Every one throws a {@link MinkException}; which one is said where
 * it is not obvious. What every call can throw: {@link UnavailableException} (with {@link DatabaseUnavailableException} and {@link
 * ShuttingDownException}), {@link OverloadedException}, {@link DeadlineExceededException}, {@link UnauthenticatedException}, {@link
 * PermissionDeniedException}, {@link InvalidRequestException}, {@link InternalException}, {@link ClientClosedException}, and {@link
 * CallInterruptedException} if the thread is interrupted. An argument that cannot be sent is an {@link IllegalArgumentException} or a
 * {@link NullPointerException}, before anything is sent.
 */
public final class Mink implements AutoCloseable {
    private final Client client;
    private final Duration timeout;
    private final Calls calls;

    Mink(Client client, Duration timeout) {
        this.client = client;
        this.timeout = timeout;
        this.calls = new Calls(client, timeout);
    }

    /**
     * Makes a client with what the environment says, and begins to connect; it does not wait for that. The first call tells whether
     * there is a server.
     *
     * @param address {@code host:port}, or one with a scheme of gRPC's, such as {@code dns:///host:port}
     * @return a client, to be closed
     * @throws IllegalArgumentException if the address has no port, or is a URL
     * @throws CredentialsException if the environment names credentials that cannot be used
     */
    public static Mink connect(String address) {
        Mink mink =
                builder().address(Objects.requireNonNull(address, "address")).build();
        mink.client.connection().connect();
        return mink;
    }

    /**
     * The same, to the server that the environment names: {@code MINK_SERVER}, or {@code localhost:50051}.
     *
     * @return a client, to be closed
     * @throws IllegalArgumentException if what the environment names is no address
     * @throws CredentialsException if the environment names credentials that cannot be used
     */
    public static Mink connect() {
        Mink mink = builder().build();
        mink.client.connection().connect();
        return mink;
    }

    /**
     * Makes a client with more settings.
     *
     * @return what they are said to
     */
    public static MinkBuilder builder() {
        return new MinkBuilder(System::getenv);
    }

    /**
     * The same client with another time for its calls. Both share the connection, and closing one closes both.
     *
     * @param timeout how long a call may take, with its retries; above zero
     * @return a client
     */
    public Mink withTimeout(Duration timeout) {
        return new Mink(client, Arguments.time("timeout", timeout));
    }

    /**
     * The same client for programs that do not wait.
     *
     * @return its other face; it shares the connection and the timeout
     */
    public AsyncMink async() {
        return new AsyncMink(client, timeout);
    }

    // Append, load, look after streams and snapshots.

    /**
     * Appends events to one stream, all or none. They are committed and flushed when this returns.
     *
     * <p>It is sent again by itself when the server is away or overloaded, which is safe: the ids of the events say what is the same.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream
     * @param events the events, in order; at least one
     * @return where the events are
     * @throws WrongExpectedVersionException if the stream is not as expected
     * @throws EventIdConflictException if the id of an event is already there, for another append
     * @throws StreamDeletedException if a stream has a tombstone
     * @throws EventTooLargeException if one event is larger than the server takes
     * @throws RequestTooLargeException if the events together are, or gRPC itself refuses a message of their size
     */
    public AppendResult append(String stream, Expected expected, List<NewEvent> events) {
        Waiting.checkInterrupted();
        return Client.appended(Waiting.on(client.append(stream, expected, events, timeout)));
    }

    /**
     * Appends events to one stream, all or none: {@link #append(String, Expected, List)}.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream
     * @param events the events, in order; at least one
     * @return where the events are
     */
    public AppendResult append(String stream, Expected expected, NewEvent... events) {
        return append(stream, expected, Arguments.list("events", events));
    }

    /**
     * Appends events to several streams, all or none.
     *
     * @param appends one entry a stream, each with its own expectation; an entry without events is only checked; at least one has events
     * @return where the events are, with one entry for each entry given
     * @throws WrongExpectedVersionException if streams are not as expected; its violations name every one
     * @throws EventIdConflictException if the id of an event is already there, for another append
     * @throws StreamDeletedException if a stream has a tombstone
     * @throws EventTooLargeException if one event is larger than the server takes
     * @throws RequestTooLargeException if the events together are, or gRPC itself refuses a message of their size
     */
    public AppendManyResult appendMany(List<StreamAppend> appends) {
        Waiting.checkInterrupted();
        return Client.appendedMany(Waiting.on(client.appendMany(appends, timeout)));
    }

    /**
     * The newest snapshot of a stream, and the events that follow it, in one call.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return the snapshot, if there is one, and the events after it
     * @throws StreamNotFoundException if no event was ever appended to the stream
     * @throws StreamDeletedException if the stream was deleted
     */
    public LoadedStream load(String stream) {
        Waiting.checkInterrupted();
        return Waiting.on(client.load(stream, timeout));
    }

    /**
     * Saves a state, so that a load replays only what follows. A newer snapshot that is there is kept.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param version the version of the last event that the state includes; 1 or more
     * @param state the state
     * @return whether it was saved
     * @throws InvalidRequestException if the version is ahead of the stream
     * @throws RequestTooLargeException if gRPC itself refuses a message of this size
     * @throws StreamNotFoundException if no event was ever appended to the stream
     */
    public SnapshotSaved saveSnapshot(String stream, long version, SnapshotState state) {
        Waiting.checkInterrupted();
        return Waiting.on(calls.saveSnapshot(stream, version, state));
    }

    /**
     * The newest snapshot of a stream.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return the snapshot
     * @throws SnapshotNotFoundException if there is none
     */
    public Snapshot loadSnapshot(String stream) {
        Waiting.checkInterrupted();
        return Waiting.on(calls.loadSnapshot(stream));
    }

    /**
     * Deletes the snapshot of a stream. Not sent again when its outcome is unknown.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return the version of the snapshot that was deleted
     * @throws SnapshotNotFoundException if there is none
     */
    public long deleteSnapshot(String stream) {
        Waiting.checkInterrupted();
        return Waiting.on(calls.deleteSnapshot(stream));
    }

    /**
     * What is known about a stream.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @return what is known
     * @throws StreamNotFoundException if no event was ever appended to the stream
     * @throws StreamDeletedException if the stream was deleted
     */
    public StreamInfo getStream(String stream) {
        Waiting.checkInterrupted();
        return Waiting.on(calls.getStream(stream));
    }

    /**
     * Removes the events of a stream before a version, for good. Not sent again when its outcome is unknown.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param beforeVersion the first version to keep: 1 to the stream's version + 1
     * @return how many events were removed, and the stream's version, which does not change
     * @throws StreamNotFoundException if no event was ever appended to the stream
     * @throws StreamDeletedException if the stream was deleted
     */
    public Removed truncateStream(String stream, long beforeVersion) {
        Waiting.checkInterrupted();
        return Waiting.on(calls.truncateStream(stream, beforeVersion));
    }

    /**
     * Removes all events of a stream and its snapshot, for good. Its name may be used again. Not sent again when its outcome is unknown.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream: its version, {@code ANY} or {@code STREAM_EXISTS}
     * @return how many events were removed, and the version that the stream had
     * @throws WrongExpectedVersionException if the stream is not as expected
     * @throws StreamNotFoundException if no event was ever appended to the stream
     * @throws StreamDeletedException if the stream was deleted
     */
    public Removed deleteStream(String stream, Expected expected) {
        Waiting.checkInterrupted();
        return Waiting.on(calls.deleteStream(stream, expected));
    }

    /**
     * The same as {@link #deleteStream}, and leaves a tombstone: nothing can be appended under this name ever again.
     *
     * @param stream the stream's name, 1 to 500 characters
     * @param expected what is expected of the stream: its version, {@code ANY} or {@code STREAM_EXISTS}
     * @return how many events were removed, and the version that the stream had
     * @throws WrongExpectedVersionException if the stream is not as expected
     * @throws StreamNotFoundException if no event was ever appended to the stream
     * @throws StreamDeletedException if the stream was deleted
     */
    public Removed tombstoneStream(String stream, Expected expected) {
        Waiting.checkInterrupted();
        return Waiting.on(calls.tombstoneStream(stream, expected));
    }

    /**
     * The streams in the order of their names; the next page is asked for when it is needed.
     *
     * @param options which streams
     * @return a sequential stream of Java's, which need not be closed
     */
    public Stream<StreamInfo> listStreams(ListStreamsOptions options) {
        int traits = Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.IMMUTABLE;
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(new Pages(options), traits), false);
    }

    /** Streams, page by page. */
    private final class Pages implements Iterator<StreamInfo> {
        private final ListStreamsOptions options;
        private Iterator<StreamInfo> page = List.<StreamInfo>of().iterator();
        private String token = "";
        private boolean last;

        Pages(ListStreamsOptions options) {
            this.options = Objects.requireNonNull(options, "options");
        }

        @Override
        public boolean hasNext() {
            while (!page.hasNext() && !last) {
                Waiting.checkInterrupted();
                StreamPage next = Waiting.on(calls.listStreams(options, token));
                page = next.streams().iterator();
                token = next.nextPageToken();
                last = token.isEmpty();
            }
            return page.hasNext();
        }

        @Override
        public StreamInfo next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            return page.next();
        }
    }

    // Read.

    /**
     * The events of a stream, oldest first.
     *
     * @param stream the stream's name
     * @return the events, to be closed unless they are gone through to the end; going through them throws {@link
     *     StreamNotFoundException} if no event was ever appended to the stream, and {@link StreamDeletedException} if it was deleted
     */
    public EventReader readStream(String stream) {
        return readStream(stream, ReadStreamOptions.FORWARDS);
    }

    /**
     * The events of a stream. The timeout is for each batch that the server sends, not for the whole.
     *
     * @param stream the stream's name
     * @param options which events, and in which order
     * @return the events, to be closed unless they are gone through to the end
     */
    public EventReader readStream(String stream, ReadStreamOptions options) {
        return new EventReader(client.readStream(new StreamSource(stream, options), timeout));
    }

    /**
     * The log as it stands; ends at the head that the log had when the reading began. The timeout is for each batch that the server
     * sends, not for the whole.
     *
     * @param options which events, and in which order
     * @return the events, to be closed unless they are gone through to the end; going through them throws {@link
     *     PositionAheadException} if the position to begin after lies beyond the head
     */
    public EventReader readAll(ReadAllOptions options) {
        return new EventReader(client.readAll(options, timeout));
    }

    // Subscribe.

    /**
     * Follows the log: everything after a position, then what is appended. It begins at once, catches up, goes on live, and carries on
     * by itself after the last position seen when the connection breaks, the server stops, or nothing is heard of it.
     *
     * @param options where to begin, and which events
     * @return the events, to be closed. A server that never answers is given up after the timeout; one that has once answered is waited
     *     for without end
     */
    public Subscription subscribeAll(SubscribeOptions options) {
        return new Subscription(client.subscribeAll(options, timeout), options);
    }

    /**
     * Waits up to five seconds for the appends under way, and disconnects; whoever waits for something else gets a {@link
     * ClientClosedException}. No thread is left. Closing it again does nothing.
     */
    @Override
    public void close() {
        client.close();
    }

    Client client() {
        return client;
    }

    /** The address. */
    @Override
    public String toString() {
        return "Mink[" + client.connection().address() + "]";
    }
}
