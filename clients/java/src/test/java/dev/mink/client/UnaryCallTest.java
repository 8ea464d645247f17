package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.mink.client.protos.DeleteStreamResponse;
import dev.mink.client.protos.GetStreamResponse;
import dev.mink.client.protos.ListStreamsRequest;
import dev.mink.client.protos.ListStreamsResponse;
import dev.mink.client.protos.StreamInfo;
import io.grpc.Status;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls that are made again. */
@Timeout(30)
class UnaryCallTest {
    private static final GetStreamResponse FOUND = GetStreamResponse.newBuilder()
            .setStream(StreamInfo.newBuilder().setStream("S").setVersion(3))
            .build();

    private FakeServer server;

    @BeforeEach
    void start() throws Exception {
        server = new FakeServer();
    }

    @AfterEach
    void stop() throws Exception {
        server.close();
    }

    @Test
    void aCallIsMadeAgainUntilItSucceeds() {
        server.on("GetStream", (call, message) -> {
            switch (call.number()) {
                case 1 -> call.fail(Status.UNAVAILABLE);
                case 2 -> call.fail(Status.CANCELLED);
                case 3 -> call.fail(FakeServer.status(Status.Code.RESOURCE_EXHAUSTED, "OVERLOADED"));
                default -> call.answer(FOUND);
            }
        });
        try (Mink mink = server.client().build()) {
            assertEquals(3, mink.getStream("S").version());
        }
        assertEquals(4, server.calls("GetStream").size());
    }

    @Test
    void nothingElseIsMadeAgain() {
        for (Status.Code code : List.of(Status.Code.INTERNAL, Status.Code.RESOURCE_EXHAUSTED, Status.Code.ABORTED)) {
            int before = server.calls("GetStream").size();
            server.on("GetStream", (call, message) -> call.fail(code.toStatus()));
            try (Mink mink = server.client().build()) {
                assertThrows(MinkException.class, () -> mink.getStream("S"));
            }
            assertEquals(before + 1, server.calls("GetStream").size());
        }
    }

    @Test
    void whenTheTimeIsOverTheLastFailureIsThrown() {
        server.on(
                "GetStream",
                (call, message) -> call.fail(FakeServer.status(
                        Status.Code.UNAVAILABLE, "DATABASE_UNAVAILABLE", FakeServer.retryAfter(0.1))));
        try (Mink mink = server.client().timeout(Duration.ofMillis(600)).build()) {
            long begin = System.nanoTime();
            assertThrows(DatabaseUnavailableException.class, () -> mink.getStream("S"));
            assertTrue(System.nanoTime() - begin < TimeUnit.MILLISECONDS.toNanos(1500));
        }
        int calls = server.calls("GetStream").size();
        assertTrue(calls >= 2 && calls <= 6, calls + " calls, none sooner than after 0.1 s");
    }

    @Test
    void aServerThatDoesNotAnswerIsGivenUpInTime() throws Exception {
        server.on("GetStream", (call, message) -> {});
        try (Mink mink = server.client().build()) {
            assertThrows(DeadlineExceededException.class, () -> mink.withTimeout(Duration.ofMillis(200))
                    .getStream("S"));
        }
    }

    @Test
    void whatRemovesSomethingIsMadeAgainOnlyIfTheServerDidNothing() {
        server.on("DeleteStream", (call, message) -> {
            if (call.number() == 1) {
                call.fail(FakeServer.status(Status.Code.UNAVAILABLE, "SHUTTING_DOWN"));
            } else {
                call.answer(DeleteStreamResponse.newBuilder().setRemoved(2).build());
            }
        });
        try (Mink mink = server.client().build()) {
            assertEquals(2, mink.deleteStream("S", Expected.ANY).removed());
            server.on("DeleteStream", (call, message) -> call.fail(Status.UNAVAILABLE));
            assertThrows(UnavailableException.class, () -> mink.deleteStream("S", Expected.ANY));
        }
        assertEquals(3, server.calls("DeleteStream").size());
    }

    @Test
    void cancellingTheFutureEndsTheCall() throws Exception {
        var begun = new CompletableFuture<FakeServer.Call>();
        server.on("GetStream", (call, message) -> begun.complete(call));
        try (Mink mink = server.client().build()) {
            var future = mink.async().getStream("S");
            FakeServer.Call call = begun.get(5, TimeUnit.SECONDS);
            future.cancel(true);
            assertTrue(call.cancelled.await(5, TimeUnit.SECONDS));
        }
    }

    @Test
    void theTokenAndTheNameOfTheClientGoAlong() {
        server.on("GetStream", (call, message) -> call.answer(FOUND));
        try (Mink mink = server.client().token("a-token").build()) {
            mink.getStream("S");
        }
        FakeServer.Call call = server.calls("GetStream").get(0);
        assertEquals("Bearer a-token", call.token());
        String agent =
                call.headers.get(io.grpc.Metadata.Key.of("user-agent", io.grpc.Metadata.ASCII_STRING_MARSHALLER));
        assertTrue(agent.startsWith("mink-client-java/" + Version.TEXT), agent);
    }

    @Test
    void pagesAreAskedForWhenTheyAreNeeded() {
        server.on("ListStreams", (call, message) -> {
            String token;
            try {
                token = ListStreamsRequest.parseFrom(message).getPageToken();
            } catch (com.google.protobuf.InvalidProtocolBufferException error) {
                throw new IllegalStateException(error);
            }
            call.answer(ListStreamsResponse.newBuilder()
                    .addStreams(StreamInfo.newBuilder().setStream("S" + token))
                    .setNextPageToken(token.length() < 3 ? token + "x" : "")
                    .build());
        });
        try (Mink mink = server.client().build()) {
            assertEquals("S", mink.listStreams(ListStreamsOptions.ALL).findFirst().orElseThrow().stream());
            assertEquals(1, server.calls("ListStreams").size());
            assertEquals(
                    List.of("S", "Sx", "Sxx", "Sxxx"),
                    mink.listStreams(ListStreamsOptions.ALL)
                            .map(StreamInfos::name)
                            .toList());
        }
    }

    /** A name for a method of a record whose name is also one of streams. */
    private static final class StreamInfos {
        static String name(dev.mink.client.StreamInfo info) {
            return info.stream();
        }
    }

    @Test
    void aTimeWithoutEndReachesTheRealServer() {
        try (Mink mink =
                RealServer.client().timeout(ChronoUnit.FOREVER.getDuration()).build()) {
            String stream = "Ever-" + Uuid7.next();
            assertEquals(
                    1,
                    mink.append(stream, Expected.NO_STREAM, NewEvent.json("A", "1"))
                            .version());
            assertEquals(1, mink.getStream(stream).version());
            assertEquals(1, mink.readStream(stream).toList().size());
        }
    }

    @Test
    void whatGoesWrongInTheClientIsTheEndWithItsCause() {
        server.on("GetStream", (call, message) -> call.answer(FOUND));
        try (Mink mink = server.client().build()) {
            var wrong = new IllegalStateException("mine");
            var future = mink.client()
                    .call(
                            Methods.GET_STREAM,
                            dev.mink.client.protos.GetStreamRequest.getDefaultInstance(),
                            found -> {
                                throw wrong;
                            },
                            Duration.ofSeconds(5));
            assertSame(
                    wrong,
                    assertThrows(InternalException.class, () -> Waiting.on(future))
                            .getCause());
        }
        assertEquals(1, server.calls("GetStream").size());
    }

    @Test
    void whatGrpcItselfFindsTooLargeIsTooLarge() {
        NewEvent large = NewEvent.binary("Large", new byte[70 << 20]);
        try (Mink mink = RealServer.client().timeout(Duration.ofSeconds(20)).build()) {
            var error = assertThrows(RequestTooLargeException.class, () -> mink.append("Large-1", Expected.ANY, large));
            assertTrue(error.size() > 70 << 20, error.toString());
            assertEquals("0 RESOURCE_EXHAUSTED", error.limit() + " " + error.reason());
            SnapshotState state = SnapshotState.binary(new byte[70 << 20]);
            assertThrows(RequestTooLargeException.class, () -> mink.saveSnapshot("Large-1", 1, state));
        }
    }

    @Test
    void lookingForAnotherTokenTakesNoLongerThanTheCall() {
        server.on("GetStream", (call, message) -> call.fail(Status.UNAUTHENTICATED));
        var fetches = new AtomicInteger();
        MinkBuilder builder = server.client().timeout(Duration.ofMillis(400)).token(() -> {
            if (fetches.incrementAndGet() > 1) {
                LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(5));
            }
            return "token-" + fetches;
        });
        try (Mink mink = builder.build()) {
            long begin = System.nanoTime();
            assertThrows(UnauthenticatedException.class, () -> mink.getStream("S"));
            assertTrue(System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(2));
        }
    }

    @Test
    void anExecutorThatRefusesNeverMakesTheThreadOfTheNetworkWait() throws Exception {
        server.on("GetStream", (call, message) -> call.answer(FOUND));
        Executor refusing = task -> {
            throw new RejectedExecutionException("it has ended");
        };
        try (Mink mink = server.client().executor(refusing).build()) {
            assertEquals(
                    3,
                    mink.async()
                            .getStream("S")
                            .thenApply(found -> mink.getStream("S"))
                            .get(5, TimeUnit.SECONDS)
                            .version());
        }
    }
}
