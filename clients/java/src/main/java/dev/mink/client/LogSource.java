package dev.mink.client;

import dev.mink.client.protos.EventFilter;
import dev.mink.client.protos.ReadAllRequest;
import dev.mink.client.protos.ReadAllResponse;
import dev.mink.client.protos.ReadDirection;
import dev.mink.client.protos.RecordedEvent;
import java.util.List;

/** One reading of the log: what was asked, and how far it has come. */
final class LogSource implements Source<ReadAllRequest, ReadAllResponse, List<RecordedEvent>> {
    private final boolean backwards;
    private final long limit;
    private final EventFilter filter;
    private long position;
    private boolean begun;
    private long head;
    private long seen;
    private boolean finished;

    LogSource(ReadAllOptions options) {
        this.backwards = options.backwards();
        this.position = backwards ? options.before() : options.after();
        this.limit = options.limit();
        this.filter = options.filter().toMessage();
    }

    @Override
    public ReadAllRequest next() {
        if (finished) {
            return null;
        }
        return ReadAllRequest.newBuilder()
                .setAfterPosition(backwards ? 0 : position)
                .setBeforePosition(backwards ? position : 0)
                .setDirection(backwards ? ReadDirection.BACKWARDS : ReadDirection.FORWARDS)
                .setLimit(limit > 0 ? limit - seen : limit)
                .setFilter(filter)
                .build();
    }

    @Override
    public List<RecordedEvent> saw(ReadAllResponse message) {
        List<RecordedEvent> events = message.getEventsList();
        if (!begun) {
            begun = true;
            head = message.getHead();
        } else if (message.getHead() > head && !backwards) {
            // A call that carried on sees a newer head; the reading ends where it was to end when it began.
            events =
                    events.stream().filter(event -> event.getPosition() <= head).toList();
        }
        seen += events.size();
        position = message.getPosition();
        // Before position 0 would mean from the newest: reading backwards ends with position 1.
        boolean over = backwards ? position <= 1 : position >= head;
        finished = over || (limit > 0 && seen >= limit);
        return events.isEmpty() ? null : events;
    }
}
