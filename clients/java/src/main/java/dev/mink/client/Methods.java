package dev.mink.client;

import com.google.protobuf.Message;
import dev.mink.client.protos.*;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.protobuf.ProtoUtils;

/**
 * The calls of the protos. Written by hand: a call takes three lines here, and a generator one more tool in the build, which does not
 * exist for every platform.
 */
final class Methods {
    private static final String EVENT_STORE = "mink.v1.EventStore";
    private static final String SNAPSHOTS = "mink.v1.Snapshots";

    static final MethodDescriptor<AppendToStreamRequest, AppendToStreamResponse> APPEND_TO_STREAM = unary(
            EVENT_STORE,
            "AppendToStream",
            AppendToStreamRequest.getDefaultInstance(),
            AppendToStreamResponse.getDefaultInstance());
    static final MethodDescriptor<AppendToStreamsRequest, AppendToStreamsResponse> APPEND_TO_STREAMS = unary(
            EVENT_STORE,
            "AppendToStreams",
            AppendToStreamsRequest.getDefaultInstance(),
            AppendToStreamsResponse.getDefaultInstance());
    /** Its requests are bytes: each append is written in the thread of its caller. */
    static final MethodDescriptor<byte[], AppendSessionResponse> APPEND_SESSION =
            MethodDescriptor.<byte[], AppendSessionResponse>newBuilder()
                    .setType(MethodType.BIDI_STREAMING)
                    .setFullMethodName(EVENT_STORE + "/AppendSession")
                    .setRequestMarshaller(new RawBytes.Marshaller())
                    .setResponseMarshaller(ProtoUtils.marshaller(AppendSessionResponse.getDefaultInstance()))
                    .build();

    static final MethodDescriptor<ReadStreamRequest, ReadStreamResponse> READ_STREAM =
            streaming("ReadStream", ReadStreamRequest.getDefaultInstance(), ReadStreamResponse.getDefaultInstance());
    static final MethodDescriptor<ReadAllRequest, ReadAllResponse> READ_ALL =
            streaming("ReadAll", ReadAllRequest.getDefaultInstance(), ReadAllResponse.getDefaultInstance());
    static final MethodDescriptor<SubscribeAllRequest, SubscribeAllResponse> SUBSCRIBE_ALL = streaming(
            "SubscribeAll", SubscribeAllRequest.getDefaultInstance(), SubscribeAllResponse.getDefaultInstance());
    static final MethodDescriptor<GetStreamRequest, GetStreamResponse> GET_STREAM = unary(
            EVENT_STORE, "GetStream", GetStreamRequest.getDefaultInstance(), GetStreamResponse.getDefaultInstance());
    static final MethodDescriptor<ListStreamsRequest, ListStreamsResponse> LIST_STREAMS = unary(
            EVENT_STORE,
            "ListStreams",
            ListStreamsRequest.getDefaultInstance(),
            ListStreamsResponse.getDefaultInstance());
    static final MethodDescriptor<TruncateStreamRequest, TruncateStreamResponse> TRUNCATE_STREAM = unary(
            EVENT_STORE,
            "TruncateStream",
            TruncateStreamRequest.getDefaultInstance(),
            TruncateStreamResponse.getDefaultInstance());
    static final MethodDescriptor<DeleteStreamRequest, DeleteStreamResponse> DELETE_STREAM = unary(
            EVENT_STORE,
            "DeleteStream",
            DeleteStreamRequest.getDefaultInstance(),
            DeleteStreamResponse.getDefaultInstance());
    static final MethodDescriptor<SaveSnapshotRequest, SaveSnapshotResponse> SAVE_SNAPSHOT = unary(
            SNAPSHOTS,
            "SaveSnapshot",
            SaveSnapshotRequest.getDefaultInstance(),
            SaveSnapshotResponse.getDefaultInstance());
    static final MethodDescriptor<LoadSnapshotRequest, LoadSnapshotResponse> LOAD_SNAPSHOT = unary(
            SNAPSHOTS,
            "LoadSnapshot",
            LoadSnapshotRequest.getDefaultInstance(),
            LoadSnapshotResponse.getDefaultInstance());
    static final MethodDescriptor<DeleteSnapshotRequest, DeleteSnapshotResponse> DELETE_SNAPSHOT = unary(
            SNAPSHOTS,
            "DeleteSnapshot",
            DeleteSnapshotRequest.getDefaultInstance(),
            DeleteSnapshotResponse.getDefaultInstance());

    private Methods() {}

    private static <Q extends Message, R extends Message> MethodDescriptor<Q, R> unary(
            String service, String name, Q request, R response) {
        return method(MethodType.UNARY, service, name, request, response);
    }

    private static <Q extends Message, R extends Message> MethodDescriptor<Q, R> streaming(
            String name, Q request, R response) {
        return method(MethodType.SERVER_STREAMING, EVENT_STORE, name, request, response);
    }

    private static <Q extends Message, R extends Message> MethodDescriptor<Q, R> method(
            MethodType type, String service, String name, Q request, R response) {
        return MethodDescriptor.<Q, R>newBuilder()
                .setType(type)
                .setFullMethodName(service + "/" + name)
                .setRequestMarshaller(ProtoUtils.marshaller(request))
                .setResponseMarshaller(ProtoUtils.marshaller(response))
                .setSampledToLocalTracing(true)
                .build();
    }
}
