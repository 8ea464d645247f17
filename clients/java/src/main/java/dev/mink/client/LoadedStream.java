package dev.mink.client;

import java.util.List;
import java.util.Optional;

/**
 * A stream from its newest snapshot on.
 *
 * @param snapshot the newest snapshot; nothing if there is none
 * @param events the events after it, oldest first; all if there is no snapshot
 */
public record LoadedStream(Optional<Snapshot> snapshot, List<RecordedEvent> events) {}
