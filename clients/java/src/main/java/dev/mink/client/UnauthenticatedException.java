package dev.mink.client;

import java.util.Optional;

/** The caller did not say who it is, or could not prove it. */
public final class UnauthenticatedException extends MinkException {
    private static final long serialVersionUID = 1L;

    /** The role; empty if the server did not say. */
    private final String role;

    /** The stream; empty if it is the role that is missing. */
    private final String stream;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param role the role that was needed; empty if that is not known
     * @param stream the stream that the caller may not reach; empty if it is the role that is missing
     */
    public UnauthenticatedException(String message, String role, String stream) {
        super("UNAUTHENTICATED", message);
        this.role = role;
        this.stream = stream;
    }

    /**
     * The role that was needed.
     *
     * @return {@code read}, {@code append}, {@code manage} or {@code admin}; nothing if the server did not say
     */
    public Optional<String> role() {
        return role.isEmpty() ? Optional.empty() : Optional.of(role);
    }

    /**
     * The stream that the caller may not reach.
     *
     * @return its name; nothing if it is the role that is missing
     */
    public Optional<String> stream() {
        return stream.isEmpty() ? Optional.empty() : Optional.of(stream);
    }
}
