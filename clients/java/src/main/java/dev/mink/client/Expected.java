package dev.mink.client;

import dev.mink.client.protos.ExpectedState;
import java.io.Serializable;
import java.util.OptionalLong;

/** What an append expects of its stream: an exact version, or one of {@link #ANY}, {@link #NO_STREAM} and {@link #STREAM_EXISTS}. */
public final class Expected implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Whatever the stream is. */
    public static final Expected ANY = new Expected(ExpectedState.ANY, -1);

    /** The stream does not exist: nothing was ever appended to it, or it was deleted. */
    public static final Expected NO_STREAM = new Expected(ExpectedState.NO_STREAM, -1);

    /** The stream exists, at whatever version. */
    public static final Expected STREAM_EXISTS = new Expected(ExpectedState.STREAM_EXISTS, -1);

    private final ExpectedState state;
    private final long version;

    private Expected(ExpectedState state, long version) {
        this.state = state;
        this.version = version;
    }

    /**
     * Expects an exact version.
     *
     * @param version the version that the stream has; 0: it does not exist
     * @return the expectation
     * @throws IllegalArgumentException if the version is negative
     */
    public static Expected version(long version) {
        if (version < 0) {
            throw new IllegalArgumentException("expected: a version is 0 or more, not " + version);
        }
        return new Expected(ExpectedState.EXPECTED_STATE_UNSPECIFIED, version);
    }

    /**
     * The exact version.
     *
     * @return nothing if it is a state
     */
    public OptionalLong exactVersion() {
        return isState() ? OptionalLong.empty() : OptionalLong.of(version);
    }

    static Expected of(ExpectedState state) {
        return switch (state) {
            case NO_STREAM -> NO_STREAM;
            case STREAM_EXISTS -> STREAM_EXISTS;
            default -> ANY;
        };
    }

    boolean isState() {
        return state != ExpectedState.EXPECTED_STATE_UNSPECIFIED;
    }

    ExpectedState state() {
        return state;
    }

    long version() {
        return version;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Expected that && that.state == state && that.version == version;
    }

    @Override
    public int hashCode() {
        return 31 * state.getNumber() + Long.hashCode(version);
    }

    /** {@code ANY}, {@code NO_STREAM}, {@code STREAM_EXISTS}, or the version. */
    @Override
    public String toString() {
        return isState() ? state.name() : Long.toString(version);
    }
}
