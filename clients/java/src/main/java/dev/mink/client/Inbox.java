package dev.mink.client;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** What came out of a feed and was not taken yet. The loop puts in; a reader, in whatever thread, takes out. */
final class Inbox<T> {
    private final Runnable taken;
    private final Runnable closing;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<T> items = new ArrayDeque<>();
    private boolean ended;
    private MinkException failure;
    private Runnable listener = () -> {};

    /**
     * Makes an empty one.
     *
     * @param taken to be told in the reader's thread that something was taken
     * @param closing to be told that the reader has enough
     */
    Inbox(Runnable taken, Runnable closing) {
        this.taken = taken;
        this.closing = closing;
    }

    // What the loop does.

    void put(T item) {
        change(() -> items.add(item));
    }

    void end() {
        change(() -> ended = true);
    }

    void fail(MinkException error) {
        change(() -> {
            if (!ended) {
                ended = true;
                failure = error;
            }
        });
    }

    private void change(Runnable how) {
        Runnable told;
        lock.lock();
        try {
            how.run();
            changed.signalAll();
            told = listener;
        } finally {
            lock.unlock();
        }
        told.run();
    }

    int size() {
        lock.lock();
        try {
            return items.size();
        } finally {
            lock.unlock();
        }
    }

    // What a reader does.

    /**
     * Takes the next item, and waits for it.
     *
     * @param nanos how long to wait
     * @return null at the end, and when the time is over
     * @throws MinkException what the feed failed with, after all that came before
     * @throws CallInterruptedException if the thread is interrupted
     */
    T take(long nanos) {
        T item;
        lock.lock();
        try {
            long left = nanos;
            while (items.isEmpty() && !ended && left > 0) {
                left = changed.awaitNanos(left);
            }
            item = items.poll();
            if (item == null && failure != null) {
                throw Waiting.thrownHere(failure);
            }
        } catch (InterruptedException error) {
            throw Waiting.interrupted();
        } finally {
            lock.unlock();
        }
        if (item != null) {
            taken.run();
        }
        return item;
    }

    /** Takes the next item if it is there; null otherwise. Never throws. */
    T poll() {
        T item;
        lock.lock();
        try {
            item = items.poll();
        } finally {
            lock.unlock();
        }
        if (item != null) {
            taken.run();
        }
        return item;
    }

    /** Whether everything was taken, and nothing will come. */
    boolean isOver() {
        lock.lock();
        try {
            return ended && items.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** What it failed with; null if it did not. To be asked when it is over. */
    MinkException failure() {
        lock.lock();
        try {
            return failure;
        } finally {
            lock.unlock();
        }
    }

    /** Ends the feed. Who waits is told that it is closed. */
    void close(String what) {
        fail(new ClientClosedException(what + " is closed"));
        lock.lock();
        try {
            items.clear();
        } finally {
            lock.unlock();
        }
        closing.run();
    }

    /** Has something done whenever something came, or it has ended; in the thread that brought it, which must not wait. */
    void listen(Runnable to) {
        lock.lock();
        try {
            listener = to;
        } finally {
            lock.unlock();
        }
        to.run();
    }

    /** Everything up to the end. Cancelling what is given ends the feed. */
    CompletableFuture<List<T>> all() {
        CompletableFuture<List<T>> whole = new CompletableFuture<>();
        List<T> found = new ArrayList<>();
        listen(() -> {
            synchronized (found) {
                for (T item = poll(); item != null; item = poll()) {
                    found.add(item);
                }
                if (!isOver()) {
                    return;
                }
            }
            MinkException error = failure();
            if (error != null) {
                whole.completeExceptionally(error);
            } else {
                whole.complete(found);
            }
        });
        whole.whenComplete((value, error) -> {
            if (whole.isCancelled()) {
                close("the reading");
            }
        });
        return whole;
    }
}
