package dev.mink.client;

/**
 * What became of a state.
 *
 * @param saved whether it was saved; false if a newer snapshot was kept
 * @param version the version of the snapshot that the stream now has
 */
public record SnapshotSaved(boolean saved, long version) {}
