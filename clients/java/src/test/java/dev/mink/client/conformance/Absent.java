package dev.mink.client.conformance;

/** What is not there at all, told from null. */
enum Absent {
    /** It is not there. */
    ABSENT
}
