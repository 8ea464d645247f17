package dev.mink.client;

import dev.mink.client.protos.AppendSessionResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** One call of AppendSession, with the credentials that it began with. Lives on the loop. */
final class AppendSession extends ClientCall.Listener<AppendSessionResponse> {
    /** Nanoseconds that the server has to end the call after the last append was answered. */
    private static final long GOODBYE = TimeUnit.SECONDS.toNanos(1);
    /** Answers that may be on their way. */
    private static final int ANSWERS = 16;

    /** Who sends over it. */
    interface Owner {
        /** More may be sent. */
        void send();

        /** Results came. */
        void results(AppendSessionResponse response);

        /** It has ended because it was told to. */
        void ended();

        /** It has broken. */
        void broken(Supplier<MinkException> why);
    }

    private final Connection connection;
    private final Owner owner;
    private final int version;
    private final ClientCall<byte[], AppendSessionResponse> call;
    private boolean ending;

    AppendSession(Connection connection, Owner owner) {
        this.connection = connection;
        this.owner = owner;
        this.version = connection.version();
        this.call = connection.call(Methods.APPEND_SESSION, CallOptions.DEFAULT);
        // It serves all callers: the trace of one would be everybody's.
        call.start(this, connection.headers(Tracing.CallSpan.NONE));
        call.request(ANSWERS);
    }

    /** The version of the credentials that it began with. */
    int version() {
        return version;
    }

    boolean isReady() {
        return !ending && call.isReady();
    }

    void send(byte[] message) {
        call.sendMessage(message);
    }

    /** Sends no more, and ends when all is answered. */
    void end() {
        if (!ending) {
            ending = true;
            call.halfClose();
            connection.schedule(() -> call.cancel("it was answered, and not ended", null), GOODBYE);
        }
    }

    @Override
    public void onReady() {
        owner.send();
    }

    @Override
    public void onMessage(AppendSessionResponse message) {
        call.request(1);
        owner.results(message);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
        if (ending) {
            owner.ended();
        } else if (status.isOk()) {
            owner.broken(() ->
                    new UnavailableException("Mink at " + connection.address() + " ended the append session", null));
        } else {
            owner.broken(() -> connection.error(status, trailers));
        }
    }
}
