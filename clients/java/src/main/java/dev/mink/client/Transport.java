package dev.mink.client;

import io.grpc.ChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.Channel;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.channel.EventLoop;
import io.grpc.netty.shaded.io.netty.channel.IoHandlerFactory;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.Epoll;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollIoHandler;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The threads of a client, and channels over them.
 *
 * <p>One thread does everything that never waits: the network, the state of all calls, all timers. So that state needs no locks. What
 * may wait (names, somebody's function that fetches a token) is done by up to two others, which end when there is nothing to do.
 */
final class Transport {
    private static final int LARGEST_MESSAGE = 64 * 1024 * 1024;
    private static final int CONNECT_MILLIS = 5_000;
    private static final int WORKERS = 2;
    private static final long WORKER_IDLE_SECONDS = 5;
    private static final long GOODBYE_MILLIS = 2_000;

    private final Address address;
    private final MultiThreadIoEventLoopGroup group;
    private final EventLoop loop;
    private final ThreadPoolExecutor workers;

    Transport(Address address) {
        if (address.isLocal() && !Epoll.isAvailable()) {
            throw new IllegalArgumentException(
                    "address: " + address + " needs Linux: sockets in the file system are not known here");
        }
        this.address = address;
        IoHandlerFactory io = Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory();
        group = new MultiThreadIoEventLoopGroup(1, new DefaultThreadFactory("mink-io", true), io);
        loop = group.next();
        workers = new ThreadPoolExecutor(
                WORKERS,
                WORKERS,
                WORKER_IDLE_SECONDS,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                new DefaultThreadFactory("mink-worker", true));
        workers.allowCoreThreadTimeOut(true);
    }

    /** The one thread. */
    ScheduledExecutorService loop() {
        return loop;
    }

    /** For what may wait. */
    ThreadPoolExecutor workers() {
        return workers;
    }

    ManagedChannel channel(ChannelCredentials credentials, Optional<String> serverName) {
        NettyChannelBuilder builder = NettyChannelBuilder.forTarget(address.target(), credentials)
                .eventLoopGroup(group)
                .executor(loop)
                .offloadExecutor(workers)
                .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_MILLIS)
                .userAgent("mink-client-java/" + Version.TEXT)
                .keepAliveTime(30, TimeUnit.SECONDS)
                .keepAliveTimeout(10, TimeUnit.SECONDS)
                .keepAliveWithoutCalls(true)
                .maxInboundMessageSize(LARGEST_MESSAGE)
                // What may be sent again is known here, not there.
                .disableRetry();
        if (address.isLocal()) {
            builder.channelType(EpollDomainSocketChannel.class, DomainSocketAddress.class);
        } else {
            builder.channelType(socket());
        }
        if (address.isLoopback()) {
            // What is on this machine is not reached through a proxy; and a proxy would see the token.
            builder.proxyDetector(to -> null);
        }
        serverName.ifPresent(builder::overrideAuthority);
        return builder.build();
    }

    private static Class<? extends Channel> socket() {
        return Epoll.isAvailable() ? EpollSocketChannel.class : NioSocketChannel.class;
    }

    /** Ends the threads. What is still to be done is not. */
    void close() {
        workers.shutdownNow();
        group.shutdownGracefully(0, GOODBYE_MILLIS, TimeUnit.MILLISECONDS);
        try {
            group.awaitTermination(GOODBYE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
