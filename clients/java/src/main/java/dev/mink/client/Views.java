package dev.mink.client;

import java.util.ArrayList;
import java.util.List;

/** Events of messages, as users see them. */
final class Views {
    private Views() {}

    /** Events from an index on. */
    static List<RecordedEvent> of(List<dev.mink.client.protos.RecordedEvent> messages, int from) {
        List<RecordedEvent> events = new ArrayList<>(messages.size() - from);
        for (int at = from; at < messages.size(); at++) {
            events.add(new RecordedEvent(messages.get(at)));
        }
        return events;
    }
}
