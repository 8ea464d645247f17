package mink

import (
	"context"
	"iter"
	"unicode/utf8"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// ReadStream gives the events of a stream, one by one. Each range over it reads anew. An error is the last thing that comes:
// [StreamNotFound] if no event was ever appended to the stream, [StreamDeleted] if it was deleted.
//
//	for event, err := range client.ReadStream(ctx, "Order-1", mink.FromVersion(3), mink.Limit(10)) {
func (c *Client) ReadStream(ctx context.Context, stream string, options ...ReadStreamOption) iter.Seq2[RecordedEvent, error] {
	return oneByOne(ctx, c.connection, c.readStream(ctx, stream, options))
}

// ReadStreamBatches gives the same events, as many at once as the server sends; no batch is empty.
func (c *Client) ReadStreamBatches(
	ctx context.Context, stream string, options ...ReadStreamOption,
) iter.Seq2[[]RecordedEvent, error] {
	return inBatches(c.readStream(ctx, stream, options))
}

func (c *Client) readStream(ctx context.Context, stream string, options []ReadStreamOption) iter.Seq2[[]*minkpb.RecordedEvent, error] {
	return func(yield func([]*minkpb.RecordedEvent, error) bool) {
		reading := streamReading{stream: stream}
		for _, option := range options {
			if option != nil {
				option.applyToStream(&reading)
			}
		}
		if !utf8.ValidString(stream) {
			yield(nil, invalid("stream", "is not UTF-8", nil))
			return
		}
		batchesOf(ctx, reading.source(c.connection), reading.saw)(yield)
	}
}

// ReadAll gives the log as it stands, one event by one; it ends at the head that the log had when the reading began. Each range over it
// reads anew. An error is the last thing that comes: [PositionAhead] if [After] lies beyond the head.
//
//	for event, err := range client.ReadAll(ctx, mink.Categories("Order"), mink.Types("OrderPlaced")) {
func (c *Client) ReadAll(ctx context.Context, options ...ReadAllOption) iter.Seq2[RecordedEvent, error] {
	return oneByOne(ctx, c.connection, c.readAll(ctx, options))
}

// ReadAllBatches gives the same events, as many at once as the server sends; no batch is empty.
func (c *Client) ReadAllBatches(ctx context.Context, options ...ReadAllOption) iter.Seq2[[]RecordedEvent, error] {
	return inBatches(c.readAll(ctx, options))
}

func (c *Client) readAll(ctx context.Context, options []ReadAllOption) iter.Seq2[[]*minkpb.RecordedEvent, error] {
	return func(yield func([]*minkpb.RecordedEvent, error) bool) {
		var asked logOptions
		for _, option := range options {
			if option != nil {
				option.applyToLog(&asked)
			}
		}
		reading := logReading{position: asked.after, backwards: asked.backwards, limit: asked.limit, filter: &asked.filter}
		switch {
		case asked.after != 0 && asked.backwards:
			yield(nil, invalid("after", "goes with reading forwards; backwards, use Before", nil))
			return
		case asked.before != 0 && !asked.backwards:
			yield(nil, invalid("before", "goes with reading backwards; forwards, use After", nil))
			return
		case asked.backwards:
			reading.position = asked.before
		}
		if err := checkRequest(&minkpb.ReadAllRequest{Filter: &asked.filter}); err != nil {
			yield(nil, err)
			return
		}
		batchesOf(ctx, reading.source(c.connection), reading.saw)(yield)
	}
}

// Load gives the newest snapshot of a stream, nil if there is none, and the events that follow it, oldest first: in one call. It fails
// with [StreamNotFound] or [StreamDeleted].
//
// The version to expect of the next append is that of the last event; without one, that of the snapshot. Of a stream that was truncated
// both may be missing although it has a version: [Client.GetStream] tells it.
func (c *Client) Load(ctx context.Context, stream string) (*Snapshot, []RecordedEvent, error) {
	if !utf8.ValidString(stream) {
		return nil, nil, invalid("stream", "is not UTF-8", nil)
	}
	reading := streamReading{stream: stream, sinceSnapshot: true}
	var events []RecordedEvent
	for batch, err := range batchesOf(ctx, reading.source(c.connection), reading.saw) {
		if err != nil {
			return nil, nil, err
		}
		events = append(events, recorded(batch)...)
	}
	if reading.snapshot == nil {
		return nil, events, nil
	}
	return &Snapshot{reading.snapshot}, events, nil
}

// SubscribeAll follows the log: everything after a position, then what is appended. It catches up, goes on live, and carries on by
// itself after the last position seen when the connection breaks, the server stops, or nothing is heard of it. Without [After] and
// [FromEnd] it begins with the first event. It lives until its context ends or it is closed; nothing happens before it is iterated over.
//
//	subscription := client.SubscribeAll(ctx, mink.After(checkpoint), mink.Types("OrderPlaced"))
//	defer subscription.Close()
//	for event, err := range subscription.Events() {
func (c *Client) SubscribeAll(ctx context.Context, options ...SubscribeOption) *Subscription {
	asked := subscribeOptions{silence: defaultSilence}
	for _, option := range options {
		if option != nil {
			option.applyToSubscription(&asked)
		}
	}
	return newSubscription(ctx, c.connection, &asked)
}

// SaveSnapshot saves a state, so that a load replays only what follows. The version is that of the last event that the state includes. A
// newer snapshot that is there is kept, and the answer says so.
//
// It fails with [InvalidRequest] if the version is ahead of the stream or the state is a zero [State], with [StreamNotFound] if there is
// no such stream, with [StreamDeleted] if it was deleted, and with [EventTooLarge] or [RequestTooLarge], as [Client.Append] does.
func (c *Client) SaveSnapshot(
	ctx context.Context, stream string, version int64, state State, options ...SaveSnapshotOption,
) (SnapshotSaved, error) {
	if err := state.payload.err; err != nil {
		return SnapshotSaved{}, invalid("state", err.Error(), err)
	}
	if state.isZero() {
		return SnapshotSaved{}, invalid("state", "is none: make one with JSONState, RawJSONState or BinaryState", nil)
	}
	request := &minkpb.SaveSnapshotRequest{Stream: stream, Version: version}
	if state.payload.isJSON {
		request.State = &minkpb.SaveSnapshotRequest_Json{Json: state.payload.text}
	} else {
		request.State = &minkpb.SaveSnapshotRequest_Binary{Binary: state.payload.data}
	}
	for _, option := range options {
		if option != nil {
			option.applyToSnapshot(request)
		}
	}
	answer, err := call(ctx, c.connection, minkpb.Snapshots_SaveSnapshot_FullMethodName, isTransient,
		c.connection.snapshots.SaveSnapshot, request)
	return SnapshotSaved{answer.GetSaved(), answer.GetVersion()}, tooLargeForGRPC(err, request)
}

// LoadSnapshot gives the newest snapshot of a stream. It fails with [SnapshotNotFound] if the stream has none, with [StreamNotFound] if
// there is no such stream, and with [StreamDeleted] if it was deleted.
func (c *Client) LoadSnapshot(ctx context.Context, stream string) (*Snapshot, error) {
	answer, err := call(ctx, c.connection, minkpb.Snapshots_LoadSnapshot_FullMethodName, isTransient,
		c.connection.snapshots.LoadSnapshot, &minkpb.LoadSnapshotRequest{Stream: stream})
	if err != nil {
		return nil, err
	}
	return &Snapshot{answer.GetSnapshot()}, nil
}

// DeleteSnapshot deletes the snapshot of a stream, and gives its version. It fails with [SnapshotNotFound] if the stream has none,
// with [StreamNotFound] if there is no such stream, and with [StreamDeleted] if it was deleted.
func (c *Client) DeleteSnapshot(ctx context.Context, stream string) (version int64, err error) {
	// Not sent again when its outcome is unknown: the second answer would be that there is nothing to delete.
	answer, err := call(ctx, c.connection, minkpb.Snapshots_DeleteSnapshot_FullMethodName, wasRefused,
		c.connection.snapshots.DeleteSnapshot, &minkpb.DeleteSnapshotRequest{Stream: stream})
	return answer.GetVersion(), err
}

// GetStream says what is known about a stream. It fails with [StreamNotFound] or [StreamDeleted].
func (c *Client) GetStream(ctx context.Context, stream string) (StreamInfo, error) {
	answer, err := call(ctx, c.connection, minkpb.EventStore_GetStream_FullMethodName, isTransient,
		c.connection.eventStore.GetStream, &minkpb.GetStreamRequest{Stream: stream})
	if err != nil {
		return StreamInfo{}, err
	}
	return streamInfo(answer.GetStream()), nil
}

// ListStreams gives the streams whose name begins so, in the order of their names; the next page is asked for when it is needed. An
// error is the last thing that comes.
func (c *Client) ListStreams(ctx context.Context, prefix string, options ...ListStreamsOption) iter.Seq2[StreamInfo, error] {
	return func(yield func(StreamInfo, error) bool) {
		request := &minkpb.ListStreamsRequest{Prefix: prefix}
		for _, option := range options {
			if option != nil {
				option.applyToList(request)
			}
		}
		for {
			page, err := call(ctx, c.connection, minkpb.EventStore_ListStreams_FullMethodName, isTransient,
				c.connection.eventStore.ListStreams, request)
			if err != nil {
				yield(StreamInfo{}, err)
				return
			}
			for _, stream := range page.GetStreams() {
				if err := c.connection.over(ctx); err != nil {
					yield(StreamInfo{}, err)
					return
				}
				if !yield(streamInfo(stream), nil) {
					return
				}
			}
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				return
			}
		}
	}
}

// TruncateStream removes the events of a stream before a version, for good: the first to keep, 1 to the stream's version + 1. It fails
// with [StreamNotFound] or [StreamDeleted].
func (c *Client) TruncateStream(ctx context.Context, stream string, beforeVersion int64) (Removed, error) {
	// Not sent again when its outcome is unknown: the second answer would be that nothing was removed.
	answer, err := call(ctx, c.connection, minkpb.EventStore_TruncateStream_FullMethodName, wasRefused,
		c.connection.eventStore.TruncateStream, &minkpb.TruncateStreamRequest{Stream: stream, BeforeVersion: beforeVersion})
	return Removed{answer.GetRemoved(), answer.GetVersion()}, err
}

// DeleteStream removes all events of a stream and its snapshot, for good. [Any], [StreamExists] or a [Version] is expected of it.
//
// It fails with [WrongExpectedVersion], with [StreamNotFound], and with [StreamDeleted] if it was deleted before.
func (c *Client) DeleteStream(
	ctx context.Context, stream string, expected Expected, options ...DeleteStreamOption,
) (Removed, error) {
	request := &minkpb.DeleteStreamRequest{Stream: stream}
	expected.toDeletion(request)
	for _, option := range options {
		if option != nil {
			option.applyToDeletion(request)
		}
	}
	// Not sent again when its outcome is unknown: the second answer would be that there is nothing to delete.
	answer, err := call(ctx, c.connection, minkpb.EventStore_DeleteStream_FullMethodName, wasRefused,
		c.connection.eventStore.DeleteStream, request)
	return Removed{answer.GetRemoved(), answer.GetVersion()}, err
}
