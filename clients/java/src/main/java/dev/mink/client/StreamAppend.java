package dev.mink.client;

import java.util.List;
import java.util.Objects;

/**
 * One stream's part of an append to several.
 *
 * @param stream the stream's name; a stream may be named once
 * @param expected what is expected of the stream
 * @param events the events, in order; none: the stream is only checked
 */
public record StreamAppend(String stream, Expected expected, List<NewEvent> events) {
    /**
     * Makes a part; the list is copied.
     *
     * @param stream the stream's name; a stream may be named once
     * @param expected what is expected of the stream
     * @param events the events, in order; none: the stream is only checked
     */
    public StreamAppend {
        Objects.requireNonNull(stream, "stream");
        Objects.requireNonNull(expected, "expected");
        events = Arguments.list("events", events);
    }

    /**
     * Makes a part.
     *
     * @param stream the stream's name; a stream may be named once
     * @param expected what is expected of the stream
     * @param events the events, in order; none: the stream is only checked
     */
    public StreamAppend(String stream, Expected expected, NewEvent... events) {
        this(stream, expected, Arguments.list("events", events));
    }
}
