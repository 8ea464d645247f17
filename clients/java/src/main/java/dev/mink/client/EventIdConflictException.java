package dev.mink.client;

/** The id of an event is already in the log, for another append. */
public final class EventIdConflictException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final String eventId;

    /**
     * Makes an exception.
     *
     * @param message what went wrong, for a person
     * @param eventId the id
     */
    public EventIdConflictException(String message, String eventId) {
        super("EVENT_ID_CONFLICT", message);
        this.eventId = eventId;
    }

    /**
     * The id.
     *
     * @return a UUID as text
     */
    public String eventId() {
        return eventId;
    }
}
