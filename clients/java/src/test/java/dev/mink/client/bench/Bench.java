package dev.mink.client.bench;

import dev.mink.client.AsyncMink;
import dev.mink.client.Expected;
import dev.mink.client.Mink;
import dev.mink.client.NewEvent;
import dev.mink.client.RecordedEvent;
import dev.mink.client.SubscribeOptions;
import dev.mink.client.Subscription;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * How fast the client is, used as a program would use it. Prints one line of JSON.
 *
 * <p>What is measured is a program that runs, not the first seconds of a Java: these go into compiling it, with as many threads as there
 * are. So each measurement is preceded by the same work, as long as that takes.
 */
public final class Bench {
    private static final int MOST_SAMPLES = 2_000_000;
    /** Seconds of the same work before the warm-up. */
    private static final double COMPILING = 6;

    private Bench() {}

    /**
     * Runs one of {@code append} and {@code catch-up}.
     *
     * @param args which, and its options
     * @throws InterruptedException if it is to end
     */
    public static void main(String[] args) throws InterruptedException {
        Map<String, String> options = new HashMap<>();
        for (int at = 1; at + 1 < args.length; at += 2) {
            options.put(args[at].substring(2), args[at + 1]);
        }
        String what = args.length == 0 ? "" : args[0];
        switch (what) {
            case "append" -> append(options);
            case "catch-up" -> catchUp(options);
            default -> {
                System.err.println("usage: run append|catch-up --server HOST:PORT ...");
                System.exit(2);
            }
        }
    }

    private static void append(Map<String, String> options) throws InterruptedException {
        int callers = Integer.parseInt(options.getOrDefault("callers", "64"));
        double warmup = Double.parseDouble(options.getOrDefault("warmup", "1"));
        double seconds = Double.parseDouble(options.getOrDefault("seconds", "4"));
        byte[] payload = new byte[Integer.parseInt(options.getOrDefault("bytes", "256"))];
        String run = "Bench" + UUID.randomUUID().toString().replace("-", "");
        try (Mink mink = Mink.connect(options.get("server"))) {
            long begin = System.nanoTime() + (long) ((COMPILING + warmup) * 1e9);
            long end = begin + (long) (seconds * 1e9);
            long[][] taken = new long[callers][];
            CountDownLatch done = new CountDownLatch(callers);
            for (int number = 0; number < callers; number++) {
                Caller caller =
                        new Caller(mink.async(), run + "-" + number + "-", payload, begin, end, MOST_SAMPLES / callers);
                int place = number;
                caller.next(() -> {
                    taken[place] = caller.taken();
                    done.countDown();
                });
            }
            done.await();
            long[] all =
                    Arrays.stream(taken).flatMapToLong(Arrays::stream).sorted().toArray();
            System.out.printf(
                    Locale.ROOT,
                    "{\"appends\": %d, \"seconds\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}%n",
                    all.length,
                    seconds,
                    all[all.length / 2] / 1e6,
                    all[(int) (all.length * 0.99)] / 1e6);
        }
    }

    /** One of the callers: it appends, and when that is done, appends again. */
    private static final class Caller {
        private final AsyncMink mink;
        private final String prefix;
        private final byte[] payload;
        private final long begin;
        private final long end;
        private final long[] taken;
        private int counted;
        private int number;

        Caller(AsyncMink mink, String prefix, byte[] payload, long begin, long end, int most) {
            this.mink = mink;
            this.prefix = prefix;
            this.payload = payload;
            this.begin = begin;
            this.end = end;
            this.taken = new long[most];
        }

        void next(Runnable done) {
            long start = System.nanoTime();
            if (start - end >= 0) {
                done.run();
                return;
            }
            mink.append(prefix + number++, Expected.NO_STREAM, NewEvent.binary("Benched", payload))
                    .thenAccept(result -> {
                        long now = System.nanoTime();
                        if (now - begin >= 0 && now - end < 0 && counted < taken.length) {
                            taken[counted++] = now - start;
                        }
                        next(done);
                    });
        }

        long[] taken() {
            return Arrays.copyOf(taken, counted);
        }
    }

    private static void catchUp(Map<String, String> options) {
        long wanted = Long.parseLong(options.get("events"));
        try (Mink mink = Mink.connect(options.get("server"))) {
            long compiled = System.nanoTime() + (long) (COMPILING / 2 * 1e9);
            do {
                take(mink, wanted);
            } while (System.nanoTime() - compiled < 0);
            long begin = System.nanoTime();
            take(mink, wanted);
            double seconds = (System.nanoTime() - begin) / (double) TimeUnit.SECONDS.toNanos(1);
            System.out.printf(Locale.ROOT, "{\"events\": %d, \"seconds\": %.3f}%n", wanted, seconds);
        }
    }

    private static void take(Mink mink, long wanted) {
        long seen = 0;
        long bytes = 0;
        long last = 0;
        try (Subscription events = mink.subscribeAll(SubscribeOptions.fromStart())) {
            while (seen < wanted) {
                for (RecordedEvent event : events.nextBatch()) {
                    last = event.position();
                    bytes += event.size();
                    if (++seen == wanted) {
                        break;
                    }
                }
            }
        }
        if (last < wanted || bytes < 0) {
            throw new IllegalStateException("not all was read");
        }
    }
}
