package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.mink.client.protos.AppendSessionRequest;
import dev.mink.client.protos.AppendSessionResponse;
import dev.mink.client.protos.AppendToStreamResponse;
import dev.mink.client.protos.Failure;
import dev.mink.client.protos.SessionAppend;
import dev.mink.client.protos.SessionResult;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Appends over the session they share. */
@Timeout(30)
class AppenderTest {
    private static final NewEvent EVENT = NewEvent.json("Tested", "{}");

    private FakeServer server;

    @BeforeEach
    void start() throws Exception {
        server = new FakeServer();
    }

    @AfterEach
    void stop() throws Exception {
        server.close();
    }

    private static AppendSessionRequest parsed(byte[] message) {
        try {
            return AppendSessionRequest.parseFrom(message);
        } catch (InvalidProtocolBufferException error) {
            throw new IllegalStateException(error);
        }
    }

    private static AppendSessionResponse done(byte[] message) {
        var response = AppendSessionResponse.newBuilder();
        for (SessionAppend append : parsed(message).getAppendsList()) {
            response.addResults(SessionResult.newBuilder()
                    .setRequestId(append.getRequestId())
                    .setToStream(AppendToStreamResponse.newBuilder().setVersion(1)));
        }
        return response.build();
    }

    private static AppendSessionResponse failed(byte[] message, com.google.rpc.Status status) {
        var response = AppendSessionResponse.newBuilder();
        for (SessionAppend append : parsed(message).getAppendsList()) {
            response.addResults(SessionResult.newBuilder()
                    .setRequestId(append.getRequestId())
                    .setFailure(Failure.newBuilder()
                            .setCode(status.getCode())
                            .setMessage(status.getMessage())
                            .addAllDetails(status.getDetailsList())));
        }
        return response.build();
    }

    private static CompletableFuture<AppendResult> append(Mink mink, String stream) {
        return mink.async().append(stream, Expected.ANY, EVENT);
    }

    @Test
    void aLoneAppendIsSentAtOnceWithTheTimeThatItHas() throws Exception {
        server.on("AppendSession", (call, message) -> call.reply(done(message)));
        try (Mink mink = server.client().timeout(Duration.ofMillis(2500)).build()) {
            assertEquals(1, mink.append("S-1", Expected.version(4), EVENT).version());
        }
        SessionAppend sent =
                parsed(server.calls("AppendSession").get(0).received.get(0)).getAppends(0);
        assertEquals("S-1", sent.getToStream().getStream());
        assertEquals(4, sent.getToStream().getExactVersion());
        assertEquals(EVENT.id(), sent.getToStream().getEvents(0).getId());
        double timeout = Times.span(sent.getTimeout()).toNanos() / 1e9;
        assertTrue(timeout > 2 && timeout <= 2.5, "it is told " + timeout + " s");
    }

    @Test
    void whatGathersGoesAsOneMessageWithinItsBounds() {
        var first = new CountDownLatch(1);
        server.on("AppendSession", (call, message) -> {
            first.countDown();
            call.reply(done(message));
        });
        try (Mink mink = server.client().build()) {
            // The loop is kept busy, so that all of them gather.
            var go = new CountDownLatch(1);
            mink.append("S-0", Expected.ANY, EVENT);
            block(mink, go);
            List<CompletableFuture<AppendResult>> all = new ArrayList<>();
            for (int number = 0; number < 1000; number++) {
                all.add(append(mink, "S-" + number));
            }
            go.countDown();
            all.forEach(CompletableFuture::join);
        }
        assertEquals(1, server.calls("AppendSession").size());
        List<Integer> counts = server.calls("AppendSession").get(0).received.stream()
                .map(message -> parsed(message).getAppendsCount())
                .toList();
        assertEquals(List.of(1, 256, 256, 256, 232), counts);
    }

    private static void block(Mink mink, CountDownLatch until) {
        Connections.of(mink).run(() -> {
            try {
                until.await();
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
        });
    }

    @Test
    void aMessageHasAtMostAMebibyte() {
        server.on("AppendSession", (call, message) -> call.reply(done(message)));
        NewEvent large = NewEvent.binary("Large", new byte[400_000]);
        try (Mink mink = server.client().build()) {
            var go = new CountDownLatch(1);
            block(mink, go);
            List<CompletableFuture<AppendResult>> all = new ArrayList<>();
            for (int number = 0; number < 6; number++) {
                all.add(mink.async().append("S-" + number, Expected.ANY, large));
            }
            go.countDown();
            all.forEach(CompletableFuture::join);
        }
        server.calls("AppendSession").get(0).received.forEach(message -> assertTrue(message.length <= 1 << 20));
        assertEquals(3, server.calls("AppendSession").get(0).received.size());
    }

    @Test
    void anAppendOfMoreThanAMebibyteGoesByACallOfItsOwn() {
        server.on(
                "AppendToStream",
                (call, message) -> call.answer(
                        AppendToStreamResponse.newBuilder().setVersion(2).build()));
        NewEvent large = NewEvent.binary("Large", new byte[600_000]);
        try (Mink mink = server.client().build()) {
            assertEquals(2, mink.append("S-1", Expected.ANY, large, large).version());
        }
        assertEquals(0, server.calls("AppendSession").size());
    }

    @Test
    void anAppendThatFailsFailsAlone() {
        server.on("AppendSession", (call, message) -> {
            boolean bad =
                    parsed(message).getAppends(0).getToStream().getStream().equals("Bad");
            call.reply(
                    bad ? failed(message, FakeServer.status(Status.Code.NOT_FOUND, "STREAM_DELETED")) : done(message));
        });
        try (Mink mink = server.client().build()) {
            assertThrows(StreamDeletedException.class, () -> mink.append("Bad", Expected.ANY, EVENT));
            assertEquals(1, mink.append("Good", Expected.ANY, EVENT).version());
        }
        assertEquals(1, server.calls("AppendSession").size());
    }

    @Test
    void theExceptionNamesThePlaceOfTheCall() {
        server.on(
                "AppendSession",
                (call, message) ->
                        call.reply(failed(message, FakeServer.status(Status.Code.NOT_FOUND, "STREAM_DELETED"))));
        try (Mink mink = server.client().build()) {
            var error = assertThrows(StreamDeletedException.class, () -> mink.append("S", Expected.ANY, EVENT));
            boolean here = List.of(error.getStackTrace()).stream()
                    .anyMatch(frame -> frame.getClassName().startsWith(AppenderTest.class.getName()));
            assertTrue(here);
        }
    }

    @Test
    void whatIsNotAnsweredWhenTheSessionBreaksIsSentAgainInItsOrder() {
        server.on("AppendSession", (call, message) -> {
            if (call.number() < 3) {
                call.fail(Status.UNAVAILABLE);
            } else {
                call.reply(done(message));
            }
        });
        try (Mink mink = server.client().build()) {
            var go = new CountDownLatch(1);
            block(mink, go);
            List<CompletableFuture<AppendResult>> all = new ArrayList<>();
            for (int number = 0; number < 5; number++) {
                all.add(append(mink, "S-" + number));
            }
            go.countDown();
            all.forEach(CompletableFuture::join);
        }
        for (FakeServer.Call call : server.calls("AppendSession")) {
            List<String> streams = parsed(call.received.get(0)).getAppendsList().stream()
                    .map(append -> append.getToStream().getStream())
                    .toList();
            assertEquals(List.of("S-0", "S-1", "S-2", "S-3", "S-4"), streams);
        }
        assertEquals(3, server.calls("AppendSession").size());
    }

    @Test
    void anOverloadedAppendIsSentAgainNotBeforeTheServerAsks() {
        server.on("AppendSession", (call, message) -> {
            var overloaded =
                    FakeServer.status(Status.Code.RESOURCE_EXHAUSTED, "OVERLOADED", FakeServer.retryAfter(0.4));
            call.reply(call.received.size() == 1 ? failed(message, overloaded) : done(message));
        });
        try (Mink mink = server.client().build()) {
            long begin = System.nanoTime();
            mink.append("S", Expected.ANY, EVENT);
            assertTrue(System.nanoTime() - begin >= TimeUnit.MILLISECONDS.toNanos(400));
        }
        assertEquals(1, server.calls("AppendSession").size());
    }

    @Test
    void whenItsTimeIsOverTheCallerGetsTheLastFailureOrThatThereWasNoAnswer() {
        server.on("AppendSession", (call, message) -> {
            if (parsed(message).getAppends(0).getToStream().getStream().equals("Away")) {
                call.reply(failed(message, FakeServer.status(Status.Code.UNAVAILABLE, "DATABASE_UNAVAILABLE")));
            }
        });
        try (Mink mink = server.client().timeout(Duration.ofMillis(300)).build()) {
            assertThrows(DatabaseUnavailableException.class, () -> mink.append("Away", Expected.ANY, EVENT));
            assertThrows(DeadlineExceededException.class, () -> mink.append("Silent", Expected.ANY, EVENT));
        }
    }

    @Test
    void aSessionThatIsRefusedForGoodFailsAllThatWaitForIt() {
        server.on(
                "AppendSession",
                (call, message) -> call.fail(FakeServer.status(Status.Code.PERMISSION_DENIED, "PERMISSION_DENIED")));
        try (Mink mink = server.client().build()) {
            var one = append(mink, "A");
            var two = append(mink, "B");
            for (var each : List.of(one, two)) {
                var error = assertThrows(CompletionException.class, each::join);
                assertInstanceOf(PermissionDeniedException.class, error.getCause());
            }
        }
    }

    @Test
    void aRefusedTokenIsFetchedAnewOnceWhetherTheSessionOrTheAppendWasRefused() {
        for (boolean session : List.of(true, false)) {
            var refused = FakeServer.status(Status.Code.UNAUTHENTICATED, "UNAUTHENTICATED");
            server.on("AppendSession", (call, message) -> {
                if (!call.token().equals("Bearer old")) {
                    call.reply(done(message));
                } else if (session) {
                    call.fail(refused);
                } else {
                    call.reply(failed(message, refused));
                }
            });
            var fetched = new AtomicInteger();
            try (Mink mink = server.client()
                    .token(() -> fetched.getAndIncrement() == 0 ? "old" : "new")
                    .build()) {
                assertEquals(1, mink.append("S", Expected.ANY, EVENT).version());
                assertEquals(2, fetched.get());
            }
        }
    }

    @Test
    void aTokenThatIsRefusedAgainIsNotFetchedForEver() {
        for (boolean session : List.of(true, false)) {
            var refused = FakeServer.status(Status.Code.UNAUTHENTICATED, "UNAUTHENTICATED");
            server.on("AppendSession", (call, message) -> {
                if (session) {
                    call.fail(refused);
                } else {
                    call.reply(failed(message, refused));
                }
            });
            var fetched = new AtomicInteger();
            try (Mink mink = server.client()
                    .token(() -> "token-" + fetched.incrementAndGet())
                    .build()) {
                assertThrows(UnauthenticatedException.class, () -> mink.append("S", Expected.ANY, EVENT));
                assertEquals(2, fetched.get());
            }
        }
    }

    @Test
    void aCancelledAppendIsForgotten() throws Exception {
        var seen = new CountDownLatch(1);
        var answer = new CountDownLatch(1);
        server.on("AppendSession", (call, message) -> {
            seen.countDown();
            try {
                answer.await();
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
            call.reply(done(message));
        });
        try (Mink mink = server.client().build()) {
            var cancelled = append(mink, "S-1");
            seen.await();
            cancelled.cancel(true);
            answer.countDown();
            assertEquals(1, mink.append("S-2", Expected.ANY, EVENT).version());
        }
    }

    @Test
    void anInterruptedCallerGoesOnAtOnceAndStaysInterrupted() throws Exception {
        var sent = new CountDownLatch(1);
        server.on("AppendSession", (call, message) -> sent.countDown());
        try (Mink mink = server.client().build()) {
            var outcome = new CompletableFuture<String>();
            Thread caller = new Thread(() -> {
                try {
                    mink.append("S", Expected.ANY, EVENT);
                    outcome.complete("returned");
                } catch (CallInterruptedException error) {
                    outcome.complete(
                            error.reason() + " " + Thread.currentThread().isInterrupted());
                }
            });
            caller.start();
            sent.await();
            caller.interrupt();
            assertEquals("INTERRUPTED true", outcome.get(5, TimeUnit.SECONDS));
            int messages = server.calls("AppendSession").get(0).received.size();
            Thread.currentThread().interrupt();
            assertThrows(CallInterruptedException.class, () -> mink.append("S", Expected.ANY, EVENT));
            assertTrue(Thread.interrupted(), "the mark stays");
            assertEquals(messages, server.calls("AppendSession").get(0).received.size(), "nothing is sent");
        }
    }

    @Test
    void closingWaitsForTheAppendsUnderWayAndRefusesOthers() throws Exception {
        var sent = new CountDownLatch(1);
        server.on("AppendSession", (call, message) -> {
            sent.countDown();
            CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS).execute(() -> call.reply(done(message)));
        });
        Mink mink = server.client().build();
        var under = append(mink, "S");
        sent.await();
        mink.close();
        assertTrue(under.isDone() || under.get(1, TimeUnit.SECONDS) != null);
        assertFalse(under.isCompletedExceptionally());
        assertThrows(ClientClosedException.class, () -> mink.append("S", Expected.ANY, EVENT));
        var error =
                assertThrows(CompletionException.class, () -> append(mink, "S").join());
        assertInstanceOf(ClientClosedException.class, error.getCause());
    }

    @Test
    void hundredsOfThreadsShareOneSessionOfARealServer() throws Exception {
        try (Mink mink = RealServer.client().build()) {
            var ids = new HashSet<Long>();
            List<Thread> threads = new ArrayList<>();
            for (int number = 0; number < 200; number++) {
                String stream = "Shared-" + number + "-" + Uuid7.next();
                threads.add(new Thread(() -> {
                    AppendResult done = mink.append(
                            stream, Expected.NO_STREAM, NewEvent.json("A", "1"), EVENT.withId(Uuid7.next()));
                    assertEquals(2, done.version());
                    synchronized (ids) {
                        ids.add(done.lastPosition());
                    }
                }));
            }
            threads.forEach(Thread::start);
            for (Thread thread : threads) {
                thread.join();
            }
            assertEquals(200, ids.size());
        }
    }
}
