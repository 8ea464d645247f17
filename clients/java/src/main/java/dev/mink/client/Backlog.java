package dev.mink.client;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;

/** The appends that are not answered: where each of them is between its caller and its result. Lives on the loop. */
final class Backlog {
    private static final int MOST_APPENDS = 256;
    private static final int MOST_IN_FLIGHT = 10_000;

    /** To be sent, in order. */
    private final ArrayDeque<PendingAppend> queue = new ArrayDeque<>();
    /** Sent, by number; in the order in which they were. */
    private final Map<Long, PendingAppend> inFlight = new LinkedHashMap<>();
    /** Failed, to be sent again later. */
    private final PriorityQueue<PendingAppend> delayed =
            new PriorityQueue<>(Comparator.comparingLong(append -> append.dueAt));
    /** Refused, until other credentials are there. */
    private final Set<PendingAppend> renewing = new HashSet<>();

    private long numbers;

    void add(PendingAppend append) {
        queue.add(append);
    }

    boolean hasToSend() {
        return !queue.isEmpty() && inFlight.size() < MOST_IN_FLIGHT;
    }

    boolean isEmpty() {
        return queue.isEmpty() && inFlight.isEmpty() && delayed.isEmpty() && renewing.isEmpty();
    }

    /** Everything that has gathered, within the bounds of one message; it counts as sent. */
    SessionMessage message(int mostBytes) {
        SessionMessage message = new SessionMessage();
        long now = System.nanoTime();
        int room = Math.min(MOST_APPENDS, MOST_IN_FLIGHT - inFlight.size());
        while (!queue.isEmpty() && room > 0) {
            PendingAppend append = queue.peek();
            if (append.future.isDone()) {
                queue.poll(); // its caller does not wait any more
                continue;
            }
            if (message.count() > 0 && message.size() + append.body.length > mostBytes) {
                break;
            }
            queue.poll();
            room--;
            append.number = ++numbers;
            inFlight.put(append.number, append);
            message.add(append, now);
        }
        return message;
    }

    /** The append whose result has come; null if nobody waits for it. */
    PendingAppend answered(long number) {
        return inFlight.remove(number);
    }

    /** Keeps one until its time to be sent again. */
    void delay(PendingAppend append) {
        delayed.add(append);
    }

    /** Keeps some until there are other credentials. */
    void renew(List<PendingAppend> refused) {
        renewing.addAll(refused);
    }

    /** Lets one go on that waited for other credentials; false if it does not wait any more. */
    boolean renewed(PendingAppend append) {
        return renewing.remove(append) && !append.future.isDone();
    }

    /** Puts what was sent and not answered to the front of the queue, in its order. */
    void sendAgain() {
        List<PendingAppend> unanswered = new ArrayList<>(inFlight.values());
        inFlight.clear();
        for (int at = unanswered.size() - 1; at >= 0; at--) {
            queue.addFirst(unanswered.get(at));
        }
    }

    List<PendingAppend> inFlight() {
        return new ArrayList<>(inFlight.values());
    }

    List<PendingAppend> all() {
        List<PendingAppend> all = allButRenewing();
        all.addAll(renewing);
        return all;
    }

    List<PendingAppend> allButRenewing() {
        List<PendingAppend> all = inFlight();
        all.addAll(queue);
        all.addAll(delayed);
        return all;
    }

    /** Forgets all, but those that wait for other credentials. */
    void clearButRenewing() {
        queue.clear();
        inFlight.clear();
        delayed.clear();
    }

    void clear() {
        clearButRenewing();
        renewing.clear();
    }

    /** Forgets those whose callers do not wait any more. */
    void dropDone() {
        queue.removeIf(append -> append.future.isDone());
        inFlight.values().removeIf(append -> append.future.isDone());
        delayed.removeIf(append -> append.future.isDone());
        renewing.removeIf(append -> append.future.isDone());
    }

    /** Queues what is due to be sent again, and says when the next one is. */
    long queueDue(long now, long otherwise) {
        while (!delayed.isEmpty() && delayed.peek().dueAt - now <= 0) {
            queue.add(delayed.poll());
        }
        return !delayed.isEmpty() && delayed.peek().dueAt - otherwise < 0 ? delayed.peek().dueAt : otherwise;
    }
}
