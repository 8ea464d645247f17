package dev.mink.client;

import dev.mink.client.protos.SessionResult;
import java.util.concurrent.CompletableFuture;

/** One append, from its caller to its result. What changes is changed on the loop only. */
final class PendingAppend {
    /** A SessionAppend without its number and its timeout, as bytes. */
    final byte[] body;

    final CompletableFuture<SessionResult> future;
    /** When its time is over, on the clock of {@link System#nanoTime()}. */
    final long deadline;

    /** Its number in the session that it was sent over last. */
    long number;

    int attempts;
    /** When to send it again, after a failure. */
    long dueAt;
    /** What the last attempt failed with. */
    MinkException error;
    /** Whether other credentials were looked for on its behalf. */
    boolean renewed;

    PendingAppend(byte[] body, long deadline, CompletableFuture<SessionResult> future) {
        this.future = future;
        this.body = body;
        this.deadline = deadline;
    }
}
