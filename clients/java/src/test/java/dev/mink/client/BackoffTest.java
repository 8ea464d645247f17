package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** Pauses between attempts. */
class BackoffTest {
    private final MinkException away = new UnavailableException("away", null);

    @Test
    void pausesDoubleUpToTwoSecondsWithJitter() {
        double[] longest = {0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2};
        for (int round = 0; round < 200; round++) {
            Backoff waits = new Backoff();
            for (double most : longest) {
                double seconds = waits.next(away) / 1e9;
                assertTrue(seconds >= most / 2 - 1e-6 && seconds <= most, seconds + " of " + most);
            }
        }
    }

    @Test
    void theServerIsNeverAskedSoonerThanItWants() {
        for (int round = 0; round < 200; round++) {
            double seconds = Backoff.nanos(0, new OverloadedException("busy", Duration.ofSeconds(3))) / 1e9;
            assertTrue(seconds >= 3 - 1e-6 && seconds <= 3.6, seconds + " s");
        }
    }

    @Test
    void otherCredentialsAreLookedForOnceBetweenSuccesses() {
        MinkException refused = new UnauthenticatedException("no", "", "");
        Backoff waits = new Backoff();
        assertFalse(waits.mayRenew(away));
        assertTrue(waits.mayRenew(refused));
        assertFalse(waits.mayRenew(refused));
        waits.reset();
        assertTrue(waits.mayRenew(refused));
    }
}
