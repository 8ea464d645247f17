package dev.mink.client;

/** Finds out whether the process has OpenTelemetry. */
final class Tracings {
    private static final boolean PRESENT = isPresent();

    private Tracings() {}

    /**
     * The traces of a client.
     *
     * @param given what the program gave; null: nothing
     * @param target the server
     */
    static Tracing of(OpenTelemetryTracing given, Address target) {
        if (given != null) {
            return given.bind(target);
        }
        return PRESENT ? OpenTelemetryTracing.ofProcess(target) : Tracing.NONE;
    }

    private static boolean isPresent() {
        try {
            Class<?> global =
                    Class.forName("io.opentelemetry.api.GlobalOpenTelemetry", false, Tracings.class.getClassLoader());
            // Older ones cannot say whether one is set: with them, a program gives its own.
            global.getMethod("isSet");
            return true;
        } catch (ClassNotFoundException | NoSuchMethodException | LinkageError error) {
            return false;
        }
    }
}
