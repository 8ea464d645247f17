package dev.mink.client.conformance;

/** A case, or the harness, asks for what cannot be, or a step did not go as the case says. No {@code fails} describes it. */
final class CaseException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    CaseException(String message) {
        super(message);
    }
}
