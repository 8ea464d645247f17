package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What is left of a client. */
@Timeout(60)
class ClosingTest {
    private static Set<String> threads() {
        Set<String> names = new TreeSet<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            String name = thread.getName();
            if ((name.startsWith("mink-") && !name.equals("mink-server-log")) || name.startsWith("grpc-")) {
                names.add(name + (thread.isDaemon() ? "" : " (keeps the program alive)"));
            }
        }
        return names;
    }

    private static Set<String> threadsSoon(int most) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (threads().size() > most && System.nanoTime() < end) {
            Thread.sleep(50);
        }
        return threads();
    }

    @Test
    void aClientHasFewThreadsAndLeavesNone() throws Exception {
        String address = RealServer.address();
        assertEquals(Set.of(), threadsSoon(0), "of tests before");
        try (Mink mink = Mink.connect(address)) {
            mink.append("Closing-" + Uuid7.next(), Expected.NO_STREAM, NewEvent.json("A", "1"));
            mink.readAll(ReadAllOptions.FORWARDS.limit(1)).toList();
            Subscription open = mink.subscribeAll(SubscribeOptions.fromStart());
            open.next();
            Set<String> names = threads();
            assertTrue(names.size() <= 3, names.toString());
            names.forEach(name -> assertTrue(name.startsWith("mink-") && !name.contains("alive"), name));
        }
        assertEquals(Set.of(), threadsSoon(0));
    }

    @Test
    void whatIsOpenEndsWithTheClient() {
        Mink mink = RealServer.client().build();
        Subscription events = mink.subscribeAll(SubscribeOptions.atEnd());
        EventReader reader = mink.readStream("Closing-not");
        mink.close();
        assertThrows(ClientClosedException.class, events::next);
        assertThrows(MinkException.class, () -> reader.iterator().hasNext());
        assertThrows(ClientClosedException.class, () -> mink.getStream("S"));
        assertThrows(ClientClosedException.class, () -> mink.readStream("S"));
        assertThrows(ClientClosedException.class, () -> mink.subscribeAll(SubscribeOptions.atEnd()));
        mink.close();
    }

    @Test
    void anInterruptedCloseStillCloses() {
        Mink mink = RealServer.client().build();
        mink.append("Closing-" + Uuid7.next(), Expected.NO_STREAM, NewEvent.json("A", "1"));
        Thread.currentThread().interrupt();
        mink.close();
        assertTrue(Thread.interrupted(), "the mark stays");
        assertThrows(ClientClosedException.class, () -> mink.getStream("S"));
    }
}
