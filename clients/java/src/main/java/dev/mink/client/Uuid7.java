package dev.mink.client;

import java.security.SecureRandom;
import java.util.concurrent.atomic.AtomicLong;

/** UUIDv7 as text (RFC 9562, section 5.7, method 3): the ids of events. */
final class Uuid7 {
    private static final long FRACTIONS = 1L << 12;
    private static final int BULK = 4096;
    private static final char[] HEX = "0123456789abcdef".toCharArray();

    /** Milliseconds since 1970, and 12 bits of their fraction: of the last one made. It only ever grows. */
    private static final AtomicLong LAST = new AtomicLong();

    private static final ThreadLocal<Noise> NOISE = ThreadLocal.withInitial(Noise::new);

    private Uuid7() {}

    /** Makes one. What one thread makes sorts in the order in which it was made; all are unique. */
    static String next() {
        java.time.Instant now = java.time.Instant.now();
        int nanos = now.getNano();
        long milliseconds = now.getEpochSecond() * 1000 + nanos / 1_000_000;
        long moment = milliseconds * FRACTIONS + (nanos % 1_000_000) * FRACTIONS / 1_000_000;
        long taken = LAST.updateAndGet(last -> Math.max(last + 1, moment));
        long high = ((taken >>> 12) << 16) | 0x7000 | (taken & 0xfff);
        long low = (NOISE.get().next() & 0x3fff_ffff_ffff_ffffL) | 0x8000_0000_0000_0000L;
        char[] text = new char[36];
        write(high >>> 32, 8, text, 0);
        write(high >>> 16, 4, text, 9);
        write(high, 4, text, 14);
        write(low >>> 48, 4, text, 19);
        write(low, 12, text, 24);
        text[8] = text[13] = text[18] = text[23] = '-';
        return new String(text);
    }

    private static void write(long number, int digits, char[] text, int at) {
        for (int place = at + digits - 1; place >= at; place--) {
            text[place] = HEX[(int) (number & 15)];
            number >>>= 4;
        }
    }

    /** Random bits, taken from the system in bulk. */
    private static final class Noise {
        private final SecureRandom random = new SecureRandom();
        private final byte[] bytes = new byte[BULK];
        private int used = BULK;

        long next() {
            if (used == BULK) {
                random.nextBytes(bytes);
                used = 0;
            }
            long bits = 0;
            for (int end = used + 8; used < end; used++) {
                bits = (bits << 8) | (bytes[used] & 0xff);
            }
            return bits;
        }
    }
}
