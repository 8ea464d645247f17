package dev.mink.client;

/** Which release this is. */
final class Version {
    /** As in pom.xml; a test holds the two together. */
    static final String TEXT = "0.1.0";

    private Version() {}
}
