package dev.mink.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The connection to a server: a channel, what goes with each call, and what is open over it.
 *
 * <p>When certificates are renewed, calls that begin go over a new channel. Calls that are open stay on the old one for at most ten
 * minutes. Everything but {@link #run}, {@link #isClosed} and {@link #close} is for the loop only.
 */
final class Connection {
    private static final long OLD_CHANNEL_SECONDS = 600;
    /** Nanoseconds that looking for other credentials takes at most. */
    static final long RENEWAL = TimeUnit.SECONDS.toNanos(10);

    /** Something that is to end when the client is closed. */
    interface Open {
        /** The client was closed. Called on the loop. */
        void clientClosed(ClientClosedException error);
    }

    private final Address address;
    private final Credentials credentials;
    private final Transport transport;
    private final Tracing tracing;
    private final Set<Open> open = ConcurrentHashMap.newKeySet();
    private final Set<ManagedChannel> channels = ConcurrentHashMap.newKeySet();
    private ManagedChannel channel;
    private int tlsVersion;
    /** Whether there was a connection over the present channel. */
    private boolean connected;

    private volatile boolean closed;

    Connection(Address address, Credentials credentials, Tracing tracing) {
        this.address = address;
        this.credentials = credentials;
        this.tracing = tracing;
        this.transport = new Transport(address);
        try {
            newChannel();
        } catch (RuntimeException error) { // the address has a scheme that gRPC does not know here
            transport.close();
            throw error;
        }
    }

    Address address() {
        return address;
    }

    Tracing tracing() {
        return tracing;
    }

    boolean isClosed() {
        return closed;
    }

    /** What is thrown at those who use a closed client. */
    ClientClosedException closedError() {
        return new ClientClosedException("the client is closed");
    }

    /**
     * Has something done by the loop.
     *
     * @return false if there is no loop any more
     */
    boolean run(Runnable task) {
        try {
            transport.loop().execute(task);
            return true;
        } catch (RejectedExecutionException error) {
            return false;
        }
    }

    /** Has something done by the loop, later. After the end of the loop, it is never done. */
    ScheduledFuture<?> schedule(Runnable task, long nanos) {
        return transport.loop().schedule(task, nanos, TimeUnit.NANOSECONDS);
    }

    /** The version of the credentials with which a call would begin now. */
    int version() {
        return credentials.version();
    }

    /** Begins a call over the present channel. */
    <Q, R> ClientCall<Q, R> call(MethodDescriptor<Q, R> method, CallOptions options) {
        int now = credentials.tlsVersion();
        if (now != tlsVersion && !closed) {
            ManagedChannel old = channel;
            newChannel();
            old.shutdown();
            schedule(old::shutdownNow, TimeUnit.SECONDS.toNanos(OLD_CHANNEL_SECONDS));
        }
        return channel.newCall(method, options);
    }

    private void newChannel() {
        tlsVersion = credentials.tlsVersion();
        channel = transport.channel(credentials.forChannel(), credentials.serverName());
        channels.removeIf(ManagedChannel::isTerminated);
        channels.add(channel);
        connected = false;
        ManagedChannel made = channel;
        Reconnector.watch(channel, transport.loop(), () -> connected |= channel == made);
    }

    /** What goes with a call: the token, and the trace. */
    Metadata headers(Tracing.CallSpan span) {
        Metadata headers = new Metadata();
        credentials.write(headers);
        span.carry(headers);
        return headers;
    }

    /** What a failed call means. */
    MinkException error(Status status, Metadata trailers) {
        if (closed) {
            return new ClientClosedException("the client was closed while the call was under way");
        }
        return Errors.of(status, trailers, address.toString(), Advice.to(status, credentials.speaksTls(), connected));
    }

    /**
     * Looks for other credentials after the server refused the present ones.
     *
     * @param refused their version
     * @param most nanoseconds that it may take
     * @param then told, on the loop, whether there are others
     */
    void renew(int refused, long most, Consumer<Boolean> then) {
        var told = new java.util.concurrent.atomic.AtomicBoolean();
        Consumer<Boolean> once = found -> {
            if (told.compareAndSet(false, true)) {
                then.accept(found);
            }
        };
        ScheduledFuture<?> late = schedule(() -> once.accept(false), Math.max(0, Math.min(most, RENEWAL)));
        try {
            transport.workers().execute(() -> {
                boolean found = credentials.renew(refused);
                run(() -> {
                    late.cancel(false);
                    once.accept(found);
                });
            });
        } catch (RejectedExecutionException error) {
            once.accept(false);
        }
    }

    /** To be told when the client is closed. */
    void opened(Open thing) {
        open.add(thing);
        if (closed && !run(() -> thing.clientClosed(closedError()))) {
            thing.clientClosed(closedError());
        }
    }

    void ended(Open thing) {
        open.remove(thing);
    }

    /** Connects in the background, without a call. */
    void connect() {
        run(() -> channel.getState(true));
    }

    /** Ends every call, the connection, and the threads. */
    void close() {
        closed = true;
        run(() -> {
            var error = new ClientClosedException("the client was closed while the call was under way");
            open.forEach(thing -> thing.clientClosed(error));
            open.clear();
            channels.forEach(ManagedChannel::shutdownNow);
        });
        try {
            for (ManagedChannel each : channels) {
                each.awaitTermination(1, TimeUnit.SECONDS);
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        transport.close();
    }
}
