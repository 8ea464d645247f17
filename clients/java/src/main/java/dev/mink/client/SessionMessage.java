package dev.mink.client;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.Duration;
import com.google.protobuf.WireFormat;
import dev.mink.client.protos.AppendSessionRequest;
import dev.mink.client.protos.SessionAppend;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A message of the session as bytes, put together from appends that their callers have written already: the one thread that sends has
 * little to do for each.
 */
final class SessionMessage {
    private static final int KNOWN_TENTHS = 1024;
    private static final long NANOS_A_TENTH = 100_000_000;
    private static final byte[][] TIMEOUTS = new byte[KNOWN_TENTHS][];

    private final List<PendingAppend> appends = new ArrayList<>();
    private final List<byte[]> timeouts = new ArrayList<>();
    private final List<Integer> lengths = new ArrayList<>();
    private int size;

    /** How many bytes its appends have. */
    int size() {
        return size;
    }

    int count() {
        return appends.size();
    }

    /** Adds an append, which has its number, with the time that it has left. */
    void add(PendingAppend append, long now) {
        byte[] timeout = timeout(append.deadline - now);
        int length = CodedOutputStream.computeInt64Size(SessionAppend.REQUEST_ID_FIELD_NUMBER, append.number)
                + append.body.length
                + timeout.length;
        appends.add(append);
        timeouts.add(timeout);
        lengths.add(length);
        size += CodedOutputStream.computeTagSize(AppendSessionRequest.APPENDS_FIELD_NUMBER)
                + CodedOutputStream.computeUInt32SizeNoTag(length)
                + length;
    }

    byte[] toBytes() {
        byte[] bytes = new byte[size];
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        try {
            for (int at = 0; at < appends.size(); at++) {
                PendingAppend append = appends.get(at);
                out.writeTag(AppendSessionRequest.APPENDS_FIELD_NUMBER, WireFormat.WIRETYPE_LENGTH_DELIMITED);
                out.writeUInt32NoTag(lengths.get(at));
                out.writeInt64(SessionAppend.REQUEST_ID_FIELD_NUMBER, append.number);
                out.writeRawBytes(append.body);
                out.writeRawBytes(timeouts.get(at));
            }
            out.checkNoSpaceLeft();
        } catch (IOException error) { // it does not fit: a bug of ours
            throw new UncheckedIOException(error);
        }
        return bytes;
    }

    /** The field {@code timeout}, in tenths of a second, rounded up. The loop alone calls it. */
    private static byte[] timeout(long left) {
        long tenths = Math.max(1, (left + NANOS_A_TENTH - 1) / NANOS_A_TENTH);
        if (tenths >= KNOWN_TENTHS) {
            return field(tenths);
        }
        byte[] known = TIMEOUTS[(int) tenths];
        if (known == null) {
            known = field(tenths);
            TIMEOUTS[(int) tenths] = known;
        }
        return known;
    }

    private static byte[] field(long tenths) {
        return SessionAppend.newBuilder()
                .setTimeout(Duration.newBuilder().setSeconds(tenths / 10).setNanos((int) (tenths % 10 * NANOS_A_TENTH)))
                .build()
                .toByteArray();
    }
}
