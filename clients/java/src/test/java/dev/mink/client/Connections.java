package dev.mink.client;

/** Looks into a client. */
final class Connections {
    private Connections() {}

    static Connection of(Mink mink) {
        return mink.client().connection();
    }
}
