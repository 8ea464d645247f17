package dev.mink.client;

import dev.mink.client.protos.ReadDirection;
import dev.mink.client.protos.ReadStreamRequest;
import dev.mink.client.protos.ReadStreamResponse;
import dev.mink.client.protos.RecordedEvent;
import dev.mink.client.protos.Snapshot;
import java.util.List;
import java.util.Objects;

/** One reading of a stream: what was asked, and how far it has come. */
final class StreamSource implements Source<ReadStreamRequest, ReadStreamResponse, List<RecordedEvent>> {
    private final String stream;
    private final boolean backwards;
    private final long limit;
    private long fromVersion;
    private boolean sinceSnapshot;
    private long seen;
    private boolean finished;
    /** Read when the reading is over. */
    private volatile Snapshot snapshot;

    StreamSource(String stream, ReadStreamOptions options) {
        this.stream = Texts.checked("stream", stream);
        this.backwards = Objects.requireNonNull(options, "options").backwards();
        this.fromVersion = options.fromVersion();
        this.limit = options.limit();
    }

    /** The newest snapshot, and what follows it. */
    static StreamSource sinceSnapshot(String stream) {
        var source = new StreamSource(stream, ReadStreamOptions.FORWARDS);
        source.sinceSnapshot = true;
        return source;
    }

    /** The snapshot that came; null if there is none. */
    Snapshot snapshot() {
        return snapshot;
    }

    @Override
    public ReadStreamRequest next() {
        if (finished) {
            return null;
        }
        return ReadStreamRequest.newBuilder()
                .setStream(stream)
                .setFromVersion(fromVersion)
                .setDirection(backwards ? ReadDirection.BACKWARDS : ReadDirection.FORWARDS)
                .setLimit(limit > 0 ? limit - seen : limit)
                .setSinceSnapshot(sinceSnapshot)
                .build();
    }

    @Override
    public List<RecordedEvent> saw(ReadStreamResponse message) {
        if (message.hasSnapshot()) {
            snapshot = message.getSnapshot();
            sinceSnapshot = false;
            fromVersion = snapshot.getVersion() + 1;
        }
        int count = message.getEventsCount();
        if (count == 0) {
            return null;
        }
        long last = message.getEvents(count - 1).getVersion();
        sinceSnapshot = false;
        fromVersion = backwards ? last - 1 : last + 1;
        seen += count;
        // Version 0 would mean the newest: reading backwards ends with version 1.
        finished = (backwards && last <= 1) || (limit > 0 && seen >= limit);
        return message.getEventsList();
    }
}
