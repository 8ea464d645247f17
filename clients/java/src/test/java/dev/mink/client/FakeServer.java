package dev.mink.client;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.HandlerRegistry;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCredentials;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;

/** A server over a real socket that fails as a test wants it to; what it does not say is UNIMPLEMENTED. */
final class FakeServer implements AutoCloseable {
    static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<byte[]> DETAILS =
            Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

    private final Server server;
    private final Map<String, BiConsumer<Call, byte[]>> answers = new ConcurrentHashMap<>();
    private final List<Call> calls = new CopyOnWriteArrayList<>();

    FakeServer() throws IOException {
        this(InsecureServerCredentials.create());
    }

    /** One that speaks TLS. */
    FakeServer(ServerCredentials credentials) throws IOException {
        var handlers = new HandlerRegistry() {
            @Override
            public ServerMethodDefinition<?, ?> lookupMethod(String method, String authority) {
                var descriptor = MethodDescriptor.<byte[], byte[]>newBuilder()
                        .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
                        .setFullMethodName(method)
                        .setRequestMarshaller(new RawBytes.Marshaller())
                        .setResponseMarshaller(new RawBytes.Marshaller())
                        .build();
                return ServerMethodDefinition.create(descriptor, (call, headers) -> begin(method, call, headers));
            }
        };
        server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), credentials)
                .maxInboundMessageSize(64 * 1024 * 1024)
                .fallbackHandlerRegistry(handlers)
                .build()
                .start();
    }

    private Call begin(String method, ServerCall<byte[], byte[]> call, Metadata headers) {
        Call begun = new Call(method.substring(method.indexOf('/') + 1), call, headers);
        calls.add(begun);
        call.sendHeaders(new Metadata());
        call.request(1);
        return begun;
    }

    String address() {
        return "127.0.0.1:" + server.getPort();
    }

    /** A client of it, that knows nothing of the environment. */
    MinkBuilder client() {
        return new MinkBuilder(name -> null).address(address());
    }

    /** Says what is done with each message of a call. */
    FakeServer on(String method, BiConsumer<Call, byte[]> answer) {
        answers.put(method, answer);
        return this;
    }

    /** The calls of a method that have begun. */
    List<Call> calls(String method) {
        return calls.stream().filter(call -> call.method.equals(method)).toList();
    }

    @Override
    public void close() {
        server.shutdownNow();
        try {
            server.awaitTermination(5, TimeUnit.SECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    /** A call. */
    final class Call extends ServerCall.Listener<byte[]> {
        final String method;
        final Metadata headers;
        final List<byte[]> received = new CopyOnWriteArrayList<>();
        final CountDownLatch cancelled = new CountDownLatch(1);
        private final ServerCall<byte[], byte[]> call;
        private volatile boolean closed;

        Call(String method, ServerCall<byte[], byte[]> call, Metadata headers) {
            this.method = method;
            this.call = call;
            this.headers = headers;
        }

        @Override
        public void onMessage(byte[] message) {
            received.add(message);
            var answer = answers.get(method);
            if (answer == null) {
                fail(Status.UNIMPLEMENTED.withDescription(method));
            } else {
                answer.accept(this, message);
            }
            if (!closed) {
                call.request(1);
            }
        }

        @Override
        public void onHalfClose() {
            if (method.equals("AppendSession")) {
                ok();
            }
        }

        @Override
        public void onCancel() {
            cancelled.countDown();
        }

        boolean isReady() {
            return call.isReady();
        }

        /** Which of the calls of its method it is, from 1. */
        int number() {
            return calls(method).indexOf(this) + 1;
        }

        String token() {
            return headers.get(AUTHORIZATION);
        }

        synchronized void reply(Message message) {
            if (!call.isCancelled()) {
                call.sendMessage(message.toByteArray());
            }
        }

        void answer(Message message) {
            reply(message);
            ok();
        }

        void ok() {
            close(Status.OK, new Metadata());
        }

        void fail(Status status) {
            close(status, new Metadata());
        }

        void fail(com.google.rpc.Status status) {
            Metadata trailers = new Metadata();
            trailers.put(DETAILS, status.toByteArray());
            close(Status.fromCodeValue(status.getCode()).withDescription(status.getMessage()), trailers);
        }

        private synchronized void close(Status status, Metadata trailers) {
            if (!closed) {
                closed = true;
                call.close(status, trailers);
            }
        }
    }

    /** A status as Mink sends it. */
    static com.google.rpc.Status status(Status.Code code, String reason, Message... details) {
        return status(code, "mink", reason, details);
    }

    static com.google.rpc.Status status(Status.Code code, String domain, String reason, Message... details) {
        List<Any> all = new ArrayList<>();
        all.add(Any.pack(
                ErrorInfo.newBuilder().setDomain(domain).setReason(reason).build()));
        for (Message detail : details) {
            all.add(Any.pack(detail));
        }
        return com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage("made up")
                .addAllDetails(all)
                .build();
    }

    static RetryInfo retryAfter(double seconds) {
        var delay = com.google.protobuf.Duration.newBuilder()
                .setSeconds((long) seconds)
                .setNanos((int) (seconds % 1 * 1e9));
        return RetryInfo.newBuilder().setRetryDelay(delay).build();
    }
}
