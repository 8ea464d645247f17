package dev.mink.client;

import java.util.List;

/** The request cannot be right, whatever the store holds. */
public final class InvalidRequestException extends MinkException {
    private static final long serialVersionUID = 1L;

    /**
     * One field that is wrong.
     *
     * @param field which one. Example: {@code events[0].id}
     * @param description why, for a person. Example: {@code must be a UUID}
     */
    public record Violation(String field, String description) implements java.io.Serializable {}

    @SuppressWarnings("serial") // an immutable list of the JDK, which can be serialized
    private final List<Violation> violations;

    /**
     * Makes an exception.
     *
     * @param reason {@code INVALID_REQUEST}, or {@code INVALID_ARGUMENT} of gRPC itself
     * @param message what went wrong, for a person
     * @param violations every field that is wrong
     */
    public InvalidRequestException(String reason, String message, List<Violation> violations) {
        super(reason, message);
        this.violations = List.copyOf(violations);
    }

    /**
     * Every field that is wrong.
     *
     * @return none if gRPC itself has refused the request
     */
    public List<Violation> violations() {
        return violations;
    }
}
