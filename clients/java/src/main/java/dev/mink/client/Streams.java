package dev.mink.client;

import java.util.Optional;

/** What the server tells of streams, for users. */
final class Streams {
    private Streams() {}

    static String category(String stream) {
        int end = stream.indexOf('-');
        return end < 0 ? stream : stream.substring(0, end);
    }

    static StreamInfo info(dev.mink.client.protos.StreamInfo message) {
        return new StreamInfo(
                message.getStream(),
                message.getCategory(),
                message.getVersion(),
                message.getFirstVersion(),
                message.getEvents(),
                message.getLastPosition(),
                message.hasFirstRecordedAt()
                        ? Optional.of(Times.moment(message.getFirstRecordedAt()))
                        : Optional.empty(),
                message.hasLastRecordedAt() ? Optional.of(Times.moment(message.getLastRecordedAt())) : Optional.empty(),
                message.getSnapshotVersion(),
                message.getDeleted(),
                message.getTombstoned());
    }
}
