package dev.mink.client;

/**
 * Where the events of one append are.
 *
 * @param version the version of the last event appended
 * @param firstPosition the position of the first event appended
 * @param lastPosition the position of the last one; the positions between are this append's, without a hole
 * @param replayed whether the events were there already: this append was sent before, and this is the answer that it got
 */
public record AppendResult(long version, long firstPosition, long lastPosition, boolean replayed) {}
