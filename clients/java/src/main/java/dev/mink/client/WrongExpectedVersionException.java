package dev.mink.client;

import java.util.List;

/** A stream was not as expected; somebody else may have appended to it. Load it again, decide again. */
public final class WrongExpectedVersionException extends MinkException {
    private static final long serialVersionUID = 1L;

    /**
     * One stream that was not as expected.
     *
     * @param stream the stream's name
     * @param expected what the caller expected of it
     * @param actual the version that it has; 0 if it does not exist
     */
    public record Violation(String stream, Expected expected, long actual) implements java.io.Serializable {}

    @SuppressWarnings("serial") // an immutable list of the JDK, which can be serialized
    private final List<Violation> violations;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param violations every stream that was not as expected; at least one
     */
    public WrongExpectedVersionException(String message, List<Violation> violations) {
        super("WRONG_EXPECTED_VERSION", message);
        if (violations.isEmpty()) {
            throw new IllegalArgumentException("violations: at least one");
        }
        this.violations = List.copyOf(violations);
    }

    /**
     * The first stream that was not as expected.
     *
     * @return its name
     */
    public String stream() {
        return violations.get(0).stream();
    }

    /**
     * What was expected of the first stream.
     *
     * @return a version or a state
     */
    public Expected expected() {
        return violations.get(0).expected();
    }

    /**
     * The version that the first stream has.
     *
     * @return a version; 0 if it does not exist
     */
    public long actual() {
        return violations.get(0).actual();
    }

    /**
     * Every stream that was not as expected.
     *
     * @return in the order of the request, at least one
     */
    public List<Violation> violations() {
        return violations;
    }
}
