package dev.mink.client;

import dev.mink.client.protos.DeleteSnapshotRequest;
import dev.mink.client.protos.DeleteSnapshotResponse;
import dev.mink.client.protos.DeleteStreamRequest;
import dev.mink.client.protos.GetStreamRequest;
import dev.mink.client.protos.ListStreamsRequest;
import dev.mink.client.protos.LoadSnapshotRequest;
import dev.mink.client.protos.TruncateStreamRequest;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The requests of the calls that look after streams and snapshots. What they give is completed by the loop. */
record Calls(Client client, Duration timeout) {
    CompletableFuture<SnapshotSaved> saveSnapshot(String stream, long version, SnapshotState state) {
        return client.call(
                Methods.SAVE_SNAPSHOT,
                Objects.requireNonNull(state, "state").toRequest(Texts.checked("stream", stream), version),
                saved -> new SnapshotSaved(saved.getSaved(), saved.getVersion()),
                timeout);
    }

    CompletableFuture<Snapshot> loadSnapshot(String stream) {
        return client.call(
                Methods.LOAD_SNAPSHOT,
                LoadSnapshotRequest.newBuilder()
                        .setStream(Texts.checked("stream", stream))
                        .build(),
                found -> new Snapshot(found.getSnapshot()),
                timeout);
    }

    CompletableFuture<Long> deleteSnapshot(String stream) {
        return client.removing(
                Methods.DELETE_SNAPSHOT,
                DeleteSnapshotRequest.newBuilder()
                        .setStream(Texts.checked("stream", stream))
                        .build(),
                DeleteSnapshotResponse::getVersion,
                timeout);
    }

    CompletableFuture<StreamInfo> getStream(String stream) {
        return client.call(
                Methods.GET_STREAM,
                GetStreamRequest.newBuilder()
                        .setStream(Texts.checked("stream", stream))
                        .build(),
                found -> Streams.info(found.getStream()),
                timeout);
    }

    CompletableFuture<StreamPage> listStreams(ListStreamsOptions options, String pageToken) {
        return client.call(
                Methods.LIST_STREAMS,
                ListStreamsRequest.newBuilder()
                        .setPrefix(Objects.requireNonNull(options, "options").prefix())
                        .setIncludeDeleted(options.includeDeleted())
                        .setPageSize(options.pageSize())
                        .setPageToken(Texts.checked("pageToken", pageToken))
                        .build(),
                page -> new StreamPage(
                        page.getStreamsList().stream().map(Streams::info).toList(), page.getNextPageToken()),
                timeout);
    }

    CompletableFuture<Removed> truncateStream(String stream, long beforeVersion) {
        return client.removing(
                Methods.TRUNCATE_STREAM,
                TruncateStreamRequest.newBuilder()
                        .setStream(Texts.checked("stream", stream))
                        .setBeforeVersion(beforeVersion)
                        .build(),
                done -> new Removed(done.getRemoved(), done.getVersion()),
                timeout);
    }

    CompletableFuture<Removed> deleteStream(String stream, Expected expected) {
        return deleteStream(stream, expected, false);
    }

    CompletableFuture<Removed> tombstoneStream(String stream, Expected expected) {
        return deleteStream(stream, expected, true);
    }

    private CompletableFuture<Removed> deleteStream(String stream, Expected expected, boolean tombstone) {
        var request = DeleteStreamRequest.newBuilder()
                .setStream(Texts.checked("stream", stream))
                .setTombstone(tombstone);
        if (Objects.requireNonNull(expected, "expected").isState()) {
            request.setState(expected.state());
        } else {
            request.setExactVersion(expected.version());
        }
        return client.removing(
                Methods.DELETE_STREAM,
                request.build(),
                done -> new Removed(done.getRemoved(), done.getVersion()),
                timeout);
    }
}
