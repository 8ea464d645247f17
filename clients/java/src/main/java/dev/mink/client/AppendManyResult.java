package dev.mink.client;

import java.util.List;

/**
 * Where the events of an append to several streams are.
 *
 * @param streams one entry for each part, in the order given
 * @param firstPosition the position of the first event appended
 * @param lastPosition the position of the last one
 * @param replayed whether the events were there already
 */
public record AppendManyResult(List<StreamAppended> streams, long firstPosition, long lastPosition, boolean replayed) {
    /**
     * Where one stream's events are.
     *
     * @param stream the stream's name
     * @param version the version that the stream has after the append
     * @param firstPosition the position of the first event appended to this stream; 0 if it was only checked
     * @param lastPosition the position of the last one; 0 if it was only checked
     */
    public record StreamAppended(String stream, long version, long firstPosition, long lastPosition) {}
}
