package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.mink.client.protos.ReadAllResponse;
import dev.mink.client.protos.ReadStreamRequest;
import dev.mink.client.protos.ReadStreamResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Readings of streams and of the log. */
@Timeout(30)
class ReadingTest {
    private FakeServer server;

    @BeforeEach
    void start() throws Exception {
        server = new FakeServer();
    }

    @AfterEach
    void stop() throws Exception {
        server.close();
    }

    private static ReadStreamRequest asked(byte[] message) {
        try {
            return ReadStreamRequest.parseFrom(message);
        } catch (InvalidProtocolBufferException error) {
            throw new IllegalStateException(error);
        }
    }

    private static List<dev.mink.client.protos.RecordedEvent> events(long from, long to) {
        return LongStream.rangeClosed(from, to)
                .mapToObj(number -> dev.mink.client.protos.RecordedEvent.newBuilder()
                        .setPosition(number)
                        .setVersion(number)
                        .setStream("S-1")
                        .setJson("{}")
                        .build())
                .toList();
    }

    private static ReadStreamResponse batch(long from, long to) {
        return ReadStreamResponse.newBuilder().addAllEvents(events(from, to)).build();
    }

    private static List<Long> versions(EventReader reader) {
        return reader.toList().stream().map(RecordedEvent::version).toList();
    }

    @Test
    void aBrokenReadingCarriesOnAfterTheLastEventSeen() {
        server.on("ReadStream", (call, message) -> {
            long from = Math.max(1, asked(message).getFromVersion());
            call.reply(batch(from, from + 1));
            if (from < 5) {
                call.fail(Status.UNAVAILABLE);
            } else {
                call.ok();
            }
        });
        try (Mink mink = server.client().build()) {
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), versions(mink.readStream("S-1")));
        }
    }

    @Test
    void aBrokenReadingAsksForWhatIsLeftOfItsLimit() {
        server.on("ReadStream", (call, message) -> {
            call.reply(batch(3, 5));
            call.fail(Status.UNAVAILABLE);
        });
        try (Mink mink = server.client().build();
                EventReader reader = mink.readStream(
                        "S-1", ReadStreamOptions.FORWARDS.fromVersion(3).limit(10))) {
            reader.nextBatch();
            server.on("ReadStream", (call, message) -> call.ok());
            assertTrue(reader.nextBatch().size() <= 3);
        }
        ReadStreamRequest second =
                asked(server.calls("ReadStream").get(1).received.get(0));
        assertEquals("6 7", second.getFromVersion() + " " + second.getLimit());
    }

    @Test
    void aReadingOfTheLogThatCarriesOnEndsAtTheHeadThatItBeganWith() {
        server.on("ReadAll", (call, message) -> {
            boolean first = call.number() == 1;
            call.reply(ReadAllResponse.newBuilder()
                    .addAllEvents(first ? events(1, 2) : events(3, 9))
                    .setPosition(first ? 2 : 9)
                    .setHead(first ? 4 : 9)
                    .build());
            call.fail(Status.UNAVAILABLE);
        });
        try (Mink mink = server.client().build()) {
            assertEquals(List.of(1L, 2L, 3L, 4L), versions(mink.readAll(ReadAllOptions.FORWARDS)));
        }
        assertEquals(2, server.calls("ReadAll").size());
    }

    @Test
    void aReaderThatIsClosedEarlyEndsItsCall() throws Exception {
        server.on("ReadStream", (call, message) -> call.reply(batch(1, 3)));
        try (Mink mink = server.client().build()) {
            EventReader reader = mink.readStream("S-1");
            try (reader) {
                assertEquals(1, reader.iterator().next().version());
            }
            assertTrue(server.calls("ReadStream").get(0).cancelled.await(5, TimeUnit.SECONDS));
            assertThrows(ClientClosedException.class, () -> reader.iterator().hasNext());
            try (var stream = mink.readStream("S-1").stream()) {
                assertEquals(2, stream.limit(2).count());
            }
            assertTrue(server.calls("ReadStream").get(1).cancelled.await(5, TimeUnit.SECONDS));
        }
    }

    @Test
    void eachMessageHasItsTimeNotTheWhole() {
        server.on("ReadStream", (call, message) -> {
            for (int number = 1; number <= 4; number++) {
                long version = number;
                CompletableFuture.delayedExecutor(200L * number, TimeUnit.MILLISECONDS)
                        .execute(() -> {
                            call.reply(batch(version, version));
                            if (version == 4) {
                                call.ok();
                            }
                        });
            }
        });
        try (Mink mink = server.client().timeout(Duration.ofMillis(500)).build()) {
            assertEquals(4, mink.readStream("S-1").toList().size());
            server.on("ReadStream", (call, message) -> call.reply(batch(1, 1)));
            Iterator<RecordedEvent> events = mink.readStream("S-1").iterator();
            events.next();
            assertThrows(DeadlineExceededException.class, events::hasNext);
        }
    }

    @Test
    void aSlowReaderIsNotTakenForASlowServer() throws Exception {
        server.on("ReadStream", (call, message) -> {
            for (int number = 1; number <= 30; number++) {
                call.reply(batch(number, number));
            }
            call.ok();
        });
        try (Mink mink = server.client().timeout(Duration.ofMillis(300)).build()) {
            int count = 0;
            for (RecordedEvent event : mink.readStream("S-1")) {
                count++;
                if (event.version() % 10 == 1) {
                    Thread.sleep(400);
                }
            }
            assertEquals(30, count);
        }
    }

    @Test
    void aReaderThatDoesNotReadHoldsTheServerBack() throws Exception {
        var sent = new java.util.concurrent.atomic.AtomicInteger();
        server.on(
                "ReadStream",
                (call, message) -> CompletableFuture.runAsync(() -> {
                    dev.mink.client.protos.RecordedEvent large = dev.mink.client.protos.RecordedEvent.newBuilder()
                            .setVersion(1)
                            .setBinary(com.google.protobuf.ByteString.copyFrom(new byte[1 << 20]))
                            .build();
                    while (call.cancelled.getCount() > 0 && sent.get() < 200) {
                        if (call.isReady()) {
                            call.reply(ReadStreamResponse.newBuilder()
                                    .addEvents(large)
                                    .build());
                            sent.incrementAndGet();
                        } else {
                            Thread.onSpinWait();
                        }
                    }
                }));
        try (Mink mink = server.client().build();
                EventReader reader = mink.readStream("S-1")) {
            reader.iterator().next();
            Thread.sleep(1000);
            assertTrue(sent.get() < 40, sent + " mebibytes for a reader that took one");
        }
    }

    @Test
    void anInterruptedReaderGoesOnAtOnce() throws Exception {
        var begun = new CountDownLatch(1);
        server.on("ReadStream", (call, message) -> begun.countDown());
        try (Mink mink = server.client().build()) {
            var outcome = new CompletableFuture<Boolean>();
            Thread reader = new Thread(() -> {
                try (EventReader events = mink.readStream("S-1")) {
                    outcome.completeExceptionally(
                            new AssertionError(events.iterator().hasNext()));
                } catch (CallInterruptedException error) {
                    outcome.complete(Thread.currentThread().isInterrupted());
                }
            });
            reader.start();
            begun.await();
            reader.interrupt();
            assertTrue(outcome.get(5, TimeUnit.SECONDS));
            assertTrue(server.calls("ReadStream").get(0).cancelled.await(5, TimeUnit.SECONDS));
        }
    }

    @Test
    void aSnapshotAndItsTailComeInOneCallOfARealServer() {
        String stream = "Loaded-" + Uuid7.next();
        try (Mink mink = RealServer.client().build()) {
            assertThrows(StreamNotFoundException.class, () -> mink.load(stream));
            mink.append(
                    stream,
                    Expected.NO_STREAM,
                    NewEvent.json("A", "1"),
                    NewEvent.json("A", "2"),
                    NewEvent.json("A", "3"));
            assertEquals(3, mink.load(stream).events().size());
            assertFalse(mink.load(stream).snapshot().isPresent());
            assertTrue(mink.saveSnapshot(stream, 2, SnapshotState.json("{\"n\": 3}"))
                    .saved());
            LoadedStream loaded = mink.async().load(stream).join();
            assertEquals("{\"n\": 3}", loaded.snapshot().orElseThrow().json());
            assertEquals(
                    List.of("3"),
                    loaded.events().stream().map(RecordedEvent::json).toList());
            try (var events = mink.readStream(stream, ReadStreamOptions.BACKWARDS).stream()) {
                assertEquals(
                        List.of(3L, 2L, 1L), events.map(RecordedEvent::version).toList());
            }
        }
    }

    @Test
    void whatIsClosedBeforeItsEndIsAlwaysClosed() throws Exception {
        server.on("ReadStream", (call, message) -> {
            call.reply(batch(1, 2));
            call.ok();
        });
        try (Mink mink = server.client().build()) {
            for (long millis : new long[] {0, 300}) { // with and without all of it there
                EventReader reader = mink.readStream("S-1");
                Thread.sleep(millis);
                reader.close();
                assertThrows(ClientClosedException.class, reader::nextBatch);
                assertThrows(ClientClosedException.class, reader::toList);
            }
            EventReader begun = mink.readStream("S-1");
            begun.iterator().next();
            begun.close();
            assertThrows(ClientClosedException.class, () -> begun.iterator().hasNext());
            EventReader whole = mink.readStream("S-1");
            assertEquals(2, whole.toList().size());
            whole.close();
            assertEquals(List.of(), whole.toList());
        }
    }

    @Test
    void whatGoesWrongInTheClientIsTheEndWithItsCause() {
        server.on("ReadStream", (call, message) -> call.reply(batch(1, 2)));
        var wrong = new IllegalStateException("mine");
        for (boolean asking : new boolean[] {true, false}) {
            var source = new Source<ReadStreamRequest, ReadStreamResponse, Object>() {
                @Override
                public ReadStreamRequest next() {
                    if (asking) {
                        throw wrong;
                    }
                    return ReadStreamRequest.getDefaultInstance();
                }

                @Override
                public Object saw(ReadStreamResponse message) {
                    throw wrong;
                }
            };
            try (Mink mink = server.client().build()) {
                Connection connection = mink.client().connection();
                var patience = new Patience.OfReading(connection.address(), Duration.ofSeconds(5));
                var inbox = new Feed<>(connection, Methods.READ_STREAM, source, patience, () -> Tracing.CallSpan.NONE)
                        .start();
                var error = assertThrows(InternalException.class, () -> inbox.take(TimeUnit.SECONDS.toNanos(5)));
                assertSame(wrong, error.getCause());
            }
        }
        assertEquals(1, server.calls("ReadStream").size());
    }
}
