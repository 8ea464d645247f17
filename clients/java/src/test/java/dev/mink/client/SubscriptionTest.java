package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.mink.client.protos.CaughtUp;
import dev.mink.client.protos.Checkpoint;
import dev.mink.client.protos.EventBatch;
import dev.mink.client.protos.SubscribeAllRequest;
import dev.mink.client.protos.SubscribeAllResponse;
import io.grpc.Status;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Following the log. */
@Timeout(30)
class SubscriptionTest {
    private FakeServer server;

    @BeforeEach
    void start() throws Exception {
        server = new FakeServer();
    }

    @AfterEach
    void stop() throws Exception {
        server.close();
    }

    private static SubscribeAllRequest asked(FakeServer.Call call) {
        try {
            return SubscribeAllRequest.parseFrom(call.received.get(0));
        } catch (InvalidProtocolBufferException error) {
            throw new IllegalStateException(error);
        }
    }

    private static SubscribeAllResponse checkpoint(long position, long head) {
        return SubscribeAllResponse.newBuilder()
                .setCheckpoint(Checkpoint.newBuilder()
                        .setPosition(position)
                        .setHead(head)
                        .setLogId("the-log"))
                .build();
    }

    private static SubscribeAllResponse events(long upTo, long... positions) {
        var batch = EventBatch.newBuilder().setPosition(upTo);
        for (long position : positions) {
            batch.addEvents(dev.mink.client.protos.RecordedEvent.newBuilder()
                    .setPosition(position)
                    .setJson("1"));
        }
        return SubscribeAllResponse.newBuilder().setEvents(batch).build();
    }

    private static SubscribeAllResponse caughtUp(long position) {
        return SubscribeAllResponse.newBuilder()
                .setCaughtUp(CaughtUp.newBuilder().setPosition(position))
                .build();
    }

    @Test
    void itCarriesOnAfterTheLastPositionSeenWithTheLogsId() {
        server.on("SubscribeAll", (call, message) -> {
            switch (call.number()) {
                case 1 -> {
                    call.reply(checkpoint(0, 9));
                    call.reply(events(4, 2, 3));
                    call.fail(Status.UNAVAILABLE);
                }
                case 2 -> {
                    call.reply(checkpoint(6, 9));
                    call.ok();
                }
                default -> call.reply(events(9, 8));
            }
        });
        try (Mink mink = server.client().build();
                Subscription events = mink.subscribeAll(SubscribeOptions.fromStart())) {
            assertEquals(2, events.next().position());
            assertEquals(2, events.position());
            assertEquals(3, events.next().position());
            assertEquals(8, events.next().position());
            assertEquals("the-log", events.logId());
            assertEquals("9 1", events.head() + " " + events.lag());
        }
        List<FakeServer.Call> calls = server.calls("SubscribeAll");
        assertEquals(
                "0 ",
                asked(calls.get(0)).getAfterPosition() + " "
                        + asked(calls.get(0)).getLogId());
        assertEquals(
                "4 the-log",
                asked(calls.get(1)).getAfterPosition() + " "
                        + asked(calls.get(1)).getLogId());
        assertEquals(
                "6 the-log",
                asked(calls.get(2)).getAfterPosition() + " "
                        + asked(calls.get(2)).getLogId());
    }

    @Test
    void silenceIsABrokenConnection() throws Exception {
        server.on("SubscribeAll", (call, message) -> {
            call.reply(checkpoint(5, 5));
            if (call.number() == 2) {
                call.reply(events(6, 6));
            }
        });
        var options = SubscribeOptions.fromStart().silenceTimeout(Duration.ofMillis(300));
        try (Mink mink = server.client().build();
                Subscription events = mink.subscribeAll(options)) {
            assertEquals(6, events.next().position());
            assertTrue(server.calls("SubscribeAll").get(0).cancelled.await(5, TimeUnit.SECONDS));
        }
    }

    @Test
    void itSaysWhetherItHasCaughtUpAlsoAfterTheConnectionBroke() throws Exception {
        var go = new CompletableFuture<Void>();
        server.on("SubscribeAll", (call, message) -> {
            call.reply(checkpoint(0, 1));
            if (call.number() == 1) {
                call.reply(events(1, 1));
                call.reply(caughtUp(1));
                go.thenRun(() -> call.fail(Status.UNAVAILABLE));
            }
        });
        try (Mink mink = server.client().build();
                Subscription events = mink.subscribeAll(SubscribeOptions.fromStart())) {
            assertEquals(List.of(), events.nextBatch(Duration.ofSeconds(5)), "the checkpoint");
            assertEquals(1, events.nextBatch(Duration.ofSeconds(5)).size());
            assertFalse(events.caughtUp());
            assertEquals(List.of(), events.nextBatch(Duration.ofSeconds(5)));
            assertTrue(events.caughtUp());
            assertEquals(Optional.empty(), events.next(Duration.ofMillis(100)));
            assertTrue(events.caughtUp());
            go.complete(null);
            assertEquals(List.of(), events.nextBatch(Duration.ofSeconds(5)));
            assertFalse(events.caughtUp());
        }
    }

    @Test
    void aServerThatHasNeverAnsweredIsGivenUpAndOneThatHasIsWaitedFor() throws Exception {
        server.on("SubscribeAll", (call, message) -> call.fail(Status.UNAVAILABLE));
        try (Mink mink = server.client().timeout(Duration.ofMillis(400)).build()) {
            try (Subscription events = mink.subscribeAll(SubscribeOptions.fromStart())) {
                assertThrows(UnavailableException.class, events::next);
            }
            int failed = server.calls("SubscribeAll").size();
            server.on("SubscribeAll", (call, message) -> {
                if (call.number() == failed + 1) {
                    call.reply(checkpoint(0, 0));
                }
                call.fail(Status.UNAVAILABLE);
            });
            try (Subscription events = mink.subscribeAll(SubscribeOptions.fromStart())) {
                assertEquals(Optional.empty(), events.next(Duration.ofSeconds(1)));
            }
        }
    }

    @Test
    void whatIsFinalIsThrownAfterWhatCameBefore() {
        server.on("SubscribeAll", (call, message) -> {
            call.reply(events(1, 1));
            call.fail(FakeServer.status(Status.Code.OUT_OF_RANGE, "POSITION_AHEAD"));
        });
        try (Mink mink = server.client().build();
                Subscription events = mink.subscribeAll(SubscribeOptions.after(7, "log"))) {
            assertEquals(1, events.next().position());
            assertThrows(PositionAheadException.class, events::next);
            assertThrows(PositionAheadException.class, events::next);
        }
        assertEquals(1, server.calls("SubscribeAll").size());
    }

    @Test
    void closingEndsTheCallAndWakesWhoWaits() throws Exception {
        server.on("SubscribeAll", (call, message) -> call.reply(checkpoint(0, 0)));
        try (Mink mink = server.client().build()) {
            Subscription events = mink.subscribeAll(SubscribeOptions.fromStart());
            var outcome = CompletableFuture.supplyAsync(() -> {
                try {
                    return events.next().toString();
                } catch (ClientClosedException error) {
                    return error.reason();
                }
            });
            assertEquals(Optional.empty(), waited(outcome));
            events.close();
            assertEquals("CLIENT_CLOSED", outcome.get(5, TimeUnit.SECONDS));
            assertTrue(server.calls("SubscribeAll").get(0).cancelled.await(5, TimeUnit.SECONDS));
        }
    }

    private static Optional<String> waited(CompletableFuture<String> outcome) throws InterruptedException {
        Thread.sleep(200);
        return Optional.ofNullable(outcome.getNow(null));
    }

    @Test
    void itFollowsARealServerFromTheFirstEventToTheLive() {
        String category = "Followed" + Uuid7.next().replace("-", "");
        var options = SubscribeOptions.fromStart().filter(EventFilter.ALL.categories(category));
        try (Mink mink = RealServer.client().build()) {
            mink.append(category + "-1", Expected.NO_STREAM, NewEvent.json("A", "1"), NewEvent.json("A", "2"));
            try (Subscription events = mink.subscribeAll(options)) {
                assertEquals("1", events.next().json());
                assertEquals("2", events.next().json());
                mink.append(category + "-2", Expected.NO_STREAM, NewEvent.json("A", "3"));
                assertEquals("3", events.next().json());
                assertTrue(events.caughtUp());
                assertEquals(36, events.logId().length());
                try (Subscription resumed =
                        mink.subscribeAll(SubscribeOptions.after(events.position() - 1, events.logId()))) {
                    assertEquals("3", resumed.next().json());
                }
            }
        }
    }

    @Test
    void aPatienceWithoutEndIsOne() {
        Duration ever = ChronoUnit.FOREVER.getDuration();
        server.on("SubscribeAll", (call, message) -> call.reply(events(1, 1)));
        try (Mink mink = server.client().timeout(ever).build();
                Subscription events =
                        mink.subscribeAll(SubscribeOptions.fromStart().silenceTimeout(ever))) {
            assertEquals(1, events.next(ever).orElseThrow().position());
            assertEquals(Optional.empty(), events.next(Duration.ofSeconds(-1)));
            assertEquals(List.of(), events.nextBatch(Duration.ZERO));
        }
    }
}
