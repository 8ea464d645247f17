package dev.mink.client;

import dev.mink.client.protos.EventFilter;
import dev.mink.client.protos.SubscribeAllRequest;
import dev.mink.client.protos.SubscribeAllResponse;

/** What a subscription asks for, and how far the messages of the server have come. */
final class SubscriptionSource implements Source<SubscribeAllRequest, SubscribeAllResponse, SubscribeAllResponse> {
    /** Stands among the messages where the call broke. Told by its identity: a message of a kind that is not known is as empty. */
    static final SubscribeAllResponse BROKEN = SubscribeAllResponse.getDefaultInstance();

    private final EventFilter filter;
    private boolean fromEnd;
    private long position;
    private String logId;

    SubscriptionSource(SubscribeOptions options) {
        this.filter = options.filter().toMessage();
        this.fromEnd = options.fromEnd();
        this.position = options.position();
        this.logId = options.logId();
    }

    @Override
    public SubscribeAllRequest next() {
        var request = SubscribeAllRequest.newBuilder().setFilter(filter).setLogId(logId);
        if (fromEnd) {
            request.setFromEnd(true);
        } else {
            request.setAfterPosition(position);
        }
        return request.build();
    }

    @Override
    public SubscribeAllResponse saw(SubscribeAllResponse message) {
        switch (message.getMessageCase()) {
            case EVENTS -> move(message.getEvents().getPosition());
            case CAUGHT_UP -> move(message.getCaughtUp().getPosition());
            case FELL_BEHIND -> move(message.getFellBehind().getPosition());
            case CHECKPOINT -> {
                move(message.getCheckpoint().getPosition());
                logId = message.getCheckpoint().getLogId();
            }
            case MESSAGE_NOT_SET -> {
                return null; // of a newer server
            }
        }
        return message;
    }

    private void move(long to) {
        position = to;
        fromEnd = false;
    }

    @Override
    public SubscribeAllResponse broken() {
        return BROKEN;
    }

    @Override
    public boolean hasEnd() {
        return false;
    }
}
