package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.mink.client.protos.ReadAllResponse;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.testng.ITestNGListener;
import org.testng.TestListenerAdapter;
import org.testng.TestNG;

/** Events for subscribers, with backpressure. */
@Timeout(120)
class EventPublisherTest {
    private FakeServer server;

    @BeforeEach
    void start() throws Exception {
        server = new FakeServer();
    }

    @AfterEach
    void stop() throws Exception {
        server.close();
    }

    /** Notes what it is given. */
    private static class Noting implements Flow.Subscriber<RecordedEvent> {
        final BlockingQueue<Object> seen = new LinkedBlockingQueue<>();
        final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();

        @Override
        public void onSubscribe(Flow.Subscription given) {
            subscription.complete(given);
        }

        @Override
        public void onNext(RecordedEvent event) {
            seen.add(event.position());
        }

        @Override
        public void onError(Throwable error) {
            seen.add(error);
        }

        @Override
        public void onComplete() {
            seen.add("complete");
        }

        Object next() throws InterruptedException {
            return seen.poll(10, TimeUnit.SECONDS);
        }

        Object nothing() throws InterruptedException {
            return seen.poll(300, TimeUnit.MILLISECONDS);
        }
    }

    private static ReadAllResponse batch(long position, int bytes) {
        return ReadAllResponse.newBuilder()
                .addEvents(dev.mink.client.protos.RecordedEvent.newBuilder()
                        .setPosition(position)
                        .setBinary(ByteString.copyFrom(new byte[bytes])))
                .setPosition(position)
                .setHead(1_000_000)
                .build();
    }

    @Test
    void aSubscriberGetsWhatItAsksForAndNoMore() throws Exception {
        server.on("ReadAll", (call, message) -> {
            for (int number = 1; number <= 5; number++) {
                call.reply(batch(number, 1));
            }
            call.ok();
        });
        try (Mink mink = server.client().build()) {
            var noting = new Noting();
            mink.async().readAll(ReadAllOptions.FORWARDS).subscribe(noting);
            var subscription = noting.subscription.get(5, TimeUnit.SECONDS);
            assertEquals(null, noting.nothing());
            subscription.request(2);
            assertEquals(List.of(1L, 2L), List.of(noting.next(), noting.next()));
            assertEquals(null, noting.nothing());
            subscription.request(Long.MAX_VALUE);
            subscription.request(Long.MAX_VALUE);
            assertEquals(
                    List.of(3L, 4L, 5L, "complete"),
                    List.of(noting.next(), noting.next(), noting.next(), noting.next()));
        }
    }

    @Test
    void aSubscriberThatAsksForNothingHoldsTheServerBack() throws Exception {
        var sent = new AtomicInteger();
        server.on(
                "ReadAll",
                (call, message) -> CompletableFuture.runAsync(() -> {
                    while (call.cancelled.getCount() > 0 && sent.get() < 200) {
                        if (call.isReady()) {
                            call.reply(batch(sent.incrementAndGet(), 1 << 20));
                        } else {
                            Thread.onSpinWait();
                        }
                    }
                }));
        try (Mink mink = server.client().build()) {
            var noting = new Noting();
            mink.async().readAll(ReadAllOptions.FORWARDS).subscribe(noting);
            noting.subscription.get(5, TimeUnit.SECONDS).request(1);
            assertEquals(1L, noting.next());
            Thread.sleep(1000);
            int before = sent.get();
            assertTrue(before < 40, before + " mebibytes for a subscriber that asked for one event");
            noting.subscription.get().request(30);
            for (long number = 2; number <= 31; number++) {
                assertEquals(number, noting.next());
            }
            noting.subscription.get().cancel();
            assertTrue(server.calls("ReadAll").get(0).cancelled.await(5, TimeUnit.SECONDS), "its call ends");
        }
    }

    @Test
    void eachSubscriberHasACallOfItsOwn() throws Exception {
        server.on("ReadAll", (call, message) -> {
            call.reply(batch(7, 1));
            call.ok();
        });
        try (Mink mink = server.client().build()) {
            var publisher = mink.async().readAll(ReadAllOptions.FORWARDS);
            for (int number = 1; number <= 2; number++) {
                var noting = new Noting();
                publisher.subscribe(noting);
                noting.subscription.get(5, TimeUnit.SECONDS).request(1);
                assertEquals(List.of(7L, "complete"), List.of(noting.next(), noting.next()));
                assertEquals(number, server.calls("ReadAll").size());
            }
        }
    }

    @Test
    void failuresAndAClosedClientAreErrors() throws Exception {
        server.on("ReadAll", (call, message) -> call.fail(Status.PERMISSION_DENIED));
        Mink mink = server.client().build();
        var publisher = mink.async().readAll(ReadAllOptions.FORWARDS);
        var refused = new Noting();
        publisher.subscribe(refused);
        assertInstanceOf(PermissionDeniedException.class, refused.next());
        server.on("SubscribeAll", (call, message) -> {});
        var open = new Noting();
        mink.async().subscribeAll(SubscribeOptions.fromStart()).subscribe(open);
        open.subscription.get(5, TimeUnit.SECONDS);
        mink.close();
        assertInstanceOf(ClientClosedException.class, open.next());
        var late = new Noting();
        publisher.subscribe(late);
        assertInstanceOf(ClientClosedException.class, late.next());
    }

    @Test
    void aSubscriberThatThrowsGetsNothingMore() throws Exception {
        server.on("ReadAll", (call, message) -> {
            for (int number = 1; number <= 5; number++) {
                call.reply(batch(number, 1));
            }
        });
        var seen = new AtomicInteger();
        try (Mink mink = server.client().build()) {
            mink.async().readAll(ReadAllOptions.FORWARDS).subscribe(new Flow.Subscriber<>() {
                @Override
                public void onSubscribe(Flow.Subscription subscription) {
                    subscription.request(5);
                }

                @Override
                public void onNext(RecordedEvent event) {
                    seen.incrementAndGet();
                    throw new IllegalStateException("on purpose");
                }

                @Override
                public void onError(Throwable error) {
                    seen.addAndGet(100);
                }

                @Override
                public void onComplete() {
                    seen.addAndGet(100);
                }
            });
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
            while (server.calls("ReadAll").isEmpty() && System.nanoTime() < end) {
                Thread.sleep(10);
            }
            assertTrue(server.calls("ReadAll").get(0).cancelled.await(5, TimeUnit.SECONDS));
            assertEquals(1, seen.get());
        }
    }

    @Test
    void aSubscriptionFollowsARealServerAsAPublisher() throws Exception {
        String category = "Published" + Uuid7.next().replace("-", "");
        try (Mink mink = RealServer.client().build()) {
            long first = mink.append(category + "-1", Expected.NO_STREAM, NewEvent.json("A", "1"))
                    .lastPosition();
            var noting = new Noting();
            mink.async()
                    .subscribeAll(SubscribeOptions.fromStart().filter(EventFilter.ALL.categories(category)))
                    .subscribe(noting);
            noting.subscription.get(5, TimeUnit.SECONDS).request(10);
            assertEquals(first, noting.next());
            long second = mink.append(category + "-1", Expected.version(1), NewEvent.json("A", "2"))
                    .lastPosition();
            assertEquals(second, noting.next());
            noting.subscription.get().cancel();
        }
    }

    /** The rules of Reactive Streams, as their authors test them. */
    public static final class Rules extends FlowPublisherVerification<RecordedEvent> {
        private static final AtomicLong NUMBERS = new AtomicLong();
        private static Mink mink;
        private static String stream;

        /** Made by TestNG. */
        public Rules() {
            super(new TestEnvironment(500, 200), 500);
        }

        @Override
        public long maxElementsFromPublisher() {
            return 500;
        }

        @Override
        public Flow.Publisher<RecordedEvent> createFlowPublisher(long elements) {
            if (elements == 0) {
                // A limit of 0 would be none at all.
                return mink.async().readStream(stream, ReadStreamOptions.FORWARDS.fromVersion(1_000_000));
            }
            NUMBERS.incrementAndGet();
            return mink.async().readStream(stream, ReadStreamOptions.FORWARDS.limit(elements));
        }

        @Override
        public Flow.Publisher<RecordedEvent> createFailedFlowPublisher() {
            return mink.async().readStream("There is no such stream", ReadStreamOptions.FORWARDS);
        }
    }

    @Test
    void theRulesOfReactiveStreamsHold() {
        try (Mink mink = RealServer.client().build()) {
            Rules.mink = mink;
            Rules.stream = "Rules-" + Uuid7.next();
            List<NewEvent> events = new ArrayList<>();
            for (int number = 0; number < 500; number++) {
                events.add(NewEvent.json("Ruled", "1"));
            }
            mink.append(Rules.stream, Expected.NO_STREAM, events);
            TestNG rules = new TestNG(false);
            TestListenerAdapter noted = new TestListenerAdapter();
            rules.setTestClasses(new Class<?>[] {Rules.class});
            rules.addListener((ITestNGListener) noted);
            rules.setVerbose(0);
            rules.run();
            assertEquals(
                    List.of(),
                    noted.getFailedTests().stream()
                            .map(failed -> failed.getName() + ": " + failed.getThrowable())
                            .toList());
            assertTrue(
                    noted.getPassedTests().size() >= 25, noted.getPassedTests().size() + " rules were tested");
        }
    }

    @Test
    void anErrorOfASubscriberEndsItsCall() throws Exception {
        server.on("ReadAll", (call, message) -> call.reply(batch(1, 1)));
        var thrown = new CompletableFuture<Throwable>();
        Executor threads = new Threads(thrown);
        try (Mink mink = server.client().executor(threads).build()) {
            mink.async().readAll(ReadAllOptions.FORWARDS).subscribe(new Noting() {
                @Override
                public void onSubscribe(Flow.Subscription given) {
                    given.request(9);
                }

                @Override
                public void onNext(RecordedEvent event) {
                    throw new AssertionError("mine");
                }
            });
            assertEquals("mine", thrown.get(5, TimeUnit.SECONDS).getMessage());
            assertTrue(server.calls("ReadAll").get(0).cancelled.await(5, TimeUnit.SECONDS));
        }
    }

    /** A thread for each task; notes what nobody has caught. */
    private record Threads(CompletableFuture<Throwable> thrown) implements Executor {
        @Override
        public void execute(Runnable task) {
            Thread thread = new Thread(task);
            thread.setUncaughtExceptionHandler((of, error) -> thrown.complete(error));
            thread.start();
        }
    }
}
