package dev.mink.client;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/** When to try again, and how long to wait before that: doubling, with jitter, and never less than the server asks for. */
final class Backoff {
    private static final double FIRST_SECONDS = 0.05;
    private static final double LONGEST_SECONDS = 2.0;
    private static final int MOST_DOUBLINGS = 10;

    private int attempts;
    private boolean renewed;

    /** Whether the same call can succeed a moment later, and may be sent again if sending it twice does no harm. */
    static boolean isTransient(MinkException error) {
        return error instanceof UnavailableException || error instanceof OverloadedException;
    }

    /** Whether the server certainly did nothing: then even a call that must not be sent twice may be sent again. */
    static boolean wasRefused(MinkException error) {
        return error instanceof ShuttingDownException || error instanceof OverloadedException;
    }

    /** The last attempt succeeded. */
    void reset() {
        attempts = 0;
        renewed = false;
    }

    /** How many attempts have failed since one succeeded. */
    int attempts() {
        return attempts;
    }

    /** Whether to look for other credentials after this failure: once between successes. */
    boolean mayRenew(MinkException error) {
        if (renewed || !(error instanceof UnauthenticatedException)) {
            return false;
        }
        renewed = true;
        return true;
    }

    /** Nanoseconds to wait after one more failure. */
    long next(MinkException error) {
        return nanos(attempts++, error);
    }

    /**
     * Nanoseconds to wait after a failure.
     *
     * @param attempts how many failures came before it
     * @param error the failure
     */
    static long nanos(int attempts, MinkException error) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        double seconds = Math.min(LONGEST_SECONDS, FIRST_SECONDS * (1 << Math.min(attempts, MOST_DOUBLINGS)))
                * random.nextDouble(0.5, 1.0);
        double asked = asked(error).map(time -> Times.nanos(time) / 1e9).orElse(0.0);
        // Those who were sent away together should not come back together.
        return (long) (Math.max(seconds, asked * random.nextDouble(1.0, 1.2)) * 1e9);
    }

    private static Optional<Duration> asked(MinkException error) {
        if (error instanceof UnavailableException unavailable) {
            return unavailable.retryAfter();
        }
        return error instanceof OverloadedException overloaded ? overloaded.retryAfter() : Optional.empty();
    }
}
