package dev.mink.client;

/**
 * Which events of a stream to read, and in which order.
 *
 * @param backwards newest first
 * @param fromVersion the version to begin with, included; 0: the oldest forwards, the newest backwards
 * @param limit how many events at most; 0: all
 */
public record ReadStreamOptions(boolean backwards, long fromVersion, long limit) {
    /** All events, oldest first. Where to begin: {@code ReadStreamOptions.FORWARDS.fromVersion(3)}. */
    public static final ReadStreamOptions FORWARDS = new ReadStreamOptions(false, 0, 0);

    /** All events, newest first. */
    public static final ReadStreamOptions BACKWARDS = new ReadStreamOptions(true, 0, 0);

    /**
     * The same from a version.
     *
     * @param version the version to begin with, included; 0: the oldest forwards, the newest backwards
     * @return options
     */
    public ReadStreamOptions fromVersion(long version) {
        return new ReadStreamOptions(backwards, version, limit);
    }

    /**
     * The same with a limit.
     *
     * @param events how many events at most; 0: all
     * @return options
     */
    public ReadStreamOptions limit(long events) {
        return new ReadStreamOptions(backwards, fromVersion, events);
    }
}
