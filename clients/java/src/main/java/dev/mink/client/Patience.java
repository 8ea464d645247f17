package dev.mink.client;

/** How long a feed waits for the server, and tries again. Lives on the loop; times are those of {@link System#nanoTime()}. */
interface Patience {
    /** When a call counts as broken, if no message comes from now on. */
    long brokenAt(long now);

    /** What that means. */
    MinkException silence();

    /** Whether an attempt at that time would come too late. */
    boolean over(long at);

    /** The reader wants a message, and none was under way: nobody has waited so far. */
    void begin();

    /** A message came. */
    void answered();

    /** A reading: each message has its time, with all attempts to get it. */
    final class OfReading implements Patience {
        private final Address address;
        private final java.time.Duration timeout;
        private long deadline;

        OfReading(Address address, java.time.Duration timeout) {
            this.address = address;
            this.timeout = timeout;
            this.deadline = System.nanoTime() + Times.nanos(timeout);
        }

        @Override
        public void begin() {
            deadline = System.nanoTime() + Times.nanos(timeout);
        }

        @Override
        public void answered() {
            begin();
        }

        @Override
        public long brokenAt(long now) {
            return deadline;
        }

        @Override
        public MinkException silence() {
            return new DeadlineExceededException(
                    "no answer from Mink at " + address + " within " + Times.millis(timeout) + " ms");
        }

        @Override
        public boolean over(long at) {
            return at - deadline >= 0;
        }
    }

    /** A subscription: a server that has never answered may not be one; a server that has will be back. */
    final class OfSubscription implements Patience {
        private final Address address;
        private final java.time.Duration timeout;
        private final java.time.Duration silence;
        private final long giveUpAt;
        private boolean answered;

        OfSubscription(Address address, java.time.Duration timeout, java.time.Duration silence) {
            this.address = address;
            this.timeout = timeout;
            this.silence = silence;
            this.giveUpAt = System.nanoTime() + Times.nanos(timeout);
        }

        @Override
        public void begin() {}

        @Override
        public void answered() {
            answered = true;
        }

        @Override
        public long brokenAt(long now) {
            return now + Times.nanos(patience());
        }

        private java.time.Duration patience() {
            return answered || silence.compareTo(timeout) < 0 ? silence : timeout;
        }

        @Override
        public MinkException silence() {
            return new UnavailableException(
                    "no message from Mink at " + address + " for " + Times.millis(patience())
                            + " ms, not even a checkpoint",
                    null);
        }

        @Override
        public boolean over(long at) {
            return !answered && at - giveUpAt >= 0;
        }
    }
}
