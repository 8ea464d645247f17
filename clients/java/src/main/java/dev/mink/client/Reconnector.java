package dev.mink.client;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Makes a broken connection anew after 0.1 to 2 seconds. gRPC's own pauses begin with a second, grow to two minutes, and cannot be set;
 * but they can be cut short. Used on the loop only.
 */
final class Reconnector {
    private static final double FIRST_SECONDS = 0.1;
    private static final double LONGEST_SECONDS = 2.0;
    private static final double GROWTH = 1.6;

    private final ManagedChannel channel;
    private final ScheduledExecutorService loop;
    private final Runnable connected;
    private double pause = FIRST_SECONDS;
    private boolean waiting;

    private Reconnector(ManagedChannel channel, ScheduledExecutorService loop, Runnable connected) {
        this.channel = channel;
        this.loop = loop;
        this.connected = connected;
    }

    /**
     * Begins.
     *
     * @param connected told whenever there is a connection
     */
    static void watch(ManagedChannel channel, ScheduledExecutorService loop, Runnable connected) {
        new Reconnector(channel, loop, connected).look();
    }

    private void look() {
        ConnectivityState state = channel.getState(false);
        if (state == ConnectivityState.SHUTDOWN) {
            return;
        }
        if (state == ConnectivityState.READY) {
            pause = FIRST_SECONDS;
            connected.run();
        }
        channel.notifyWhenStateChanged(state, this::look);
        if (state == ConnectivityState.TRANSIENT_FAILURE && !waiting) {
            waiting = true;
            long nanos = (long) (pause * ThreadLocalRandom.current().nextDouble(0.8, 1.0) * 1e9);
            pause = Math.min(LONGEST_SECONDS, pause * GROWTH);
            loop.schedule(this::again, nanos, TimeUnit.NANOSECONDS);
        }
    }

    private void again() {
        waiting = false;
        if (channel.getState(false) != ConnectivityState.TRANSIENT_FAILURE) {
            return;
        }
        channel.resetConnectBackoff();
        // It stays in this state until there is a connection: nobody would tell us that this attempt has failed as
        // well.
        waiting = true;
        long nanos = (long) (pause * 1e9);
        pause = Math.min(LONGEST_SECONDS, pause * GROWTH);
        loop.schedule(this::again, nanos, TimeUnit.NANOSECONDS);
    }
}
