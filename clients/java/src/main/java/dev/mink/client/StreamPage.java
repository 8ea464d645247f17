package dev.mink.client;

import java.util.List;

/**
 * A page of a list of streams.
 *
 * @param streams the streams, by name
 * @param nextPageToken what to ask for the next page with; empty: this is the last
 */
public record StreamPage(List<StreamInfo> streams, String nextPageToken) {}
