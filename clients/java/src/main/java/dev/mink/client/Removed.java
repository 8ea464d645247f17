package dev.mink.client;

/**
 * What was removed from a stream.
 *
 * @param removed how many events
 * @param version the version that the stream has, or had: versions are never used again
 */
public record Removed(long removed, long version) {}
