package dev.mink.client;

import java.time.Instant;
import java.util.Optional;

/**
 * What is known about a stream.
 *
 * @param stream its name
 * @param category the part of the name before the first {@code -}, or the whole name
 * @param version the version of the newest event
 * @param firstVersion the version of the oldest event that is still there; 0 if all were removed
 * @param events how many events are there
 * @param lastPosition the position of the newest event; 0 if all were removed
 * @param firstRecordedAt when the oldest event that is still there was recorded; nothing if all were removed
 * @param lastRecordedAt when the newest event was recorded; nothing if all were removed
 * @param snapshotVersion the version of the snapshot; 0 if there is none
 * @param deleted whether the stream was deleted
 * @param tombstoned whether the name is gone for good
 */
public record StreamInfo(
        String stream,
        String category,
        long version,
        long firstVersion,
        long events,
        long lastPosition,
        Optional<Instant> firstRecordedAt,
        Optional<Instant> lastRecordedAt,
        long snapshotVersion,
        boolean deleted,
        boolean tombstoned) {}
