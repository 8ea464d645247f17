package mink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// AppendResult is where the events of one append are.
type AppendResult struct {
	// Version is that of the last event appended.
	Version int64
	// FirstPosition is that of the first event appended.
	FirstPosition int64
	// LastPosition is that of the last one. The positions between are this append's, without a hole.
	LastPosition int64
	// Replayed says whether the events were there already: this append was sent before, and this is the answer that it got.
	Replayed bool
}

// StreamAppend is one stream's part of an append to several.
type StreamAppend struct {
	// Stream is the stream's name. A stream may be named once.
	Stream string
	// Expected is what is expected of it.
	Expected Expected
	// Events are in order. None: the stream is only checked.
	Events []NewEvent
}

// StreamAppended is where one stream's events are.
type StreamAppended struct {
	Stream string
	// Version is the one that the stream has after the append; of a stream that was only checked, the one that it has.
	Version int64
	// FirstPosition is that of the first event appended to this stream; 0 if it was only checked.
	FirstPosition int64
	// LastPosition is that of the last one; 0 if it was only checked.
	LastPosition int64
}

// AppendManyResult is where the events of an append to several streams are.
type AppendManyResult struct {
	// Streams has one entry for each one given, in order.
	Streams []StreamAppended
	// FirstPosition is that of the first event appended.
	FirstPosition int64
	// LastPosition is that of the last one. The positions between are this append's, without a hole.
	LastPosition int64
	// Replayed says whether the events were there already: this append was sent before, and this is the answer that it got.
	Replayed bool
}

// Append appends events to one stream, all or none. They are committed and flushed when it returns.
//
// It is sent again by itself when the server is away or overloaded, which is safe: the events' ids say what is the same. The same
// events may be appended again for the same reason, and get the first answer, with Replayed.
//
// It fails with [WrongExpectedVersion] if the stream is not as expected, with [EventIDConflict] if the id of an event is already there
// for another append, with [StreamDeleted] if the stream has a tombstone, and with [EventTooLarge] or [RequestTooLarge], which
// has the reason RESOURCE_EXHAUSTED and no limit if gRPC itself refused the message (four times what the server takes, or 64 MiB).
func (c *Client) Append(ctx context.Context, stream string, expected Expected, events ...NewEvent) (AppendResult, error) {
	if err := c.appender.begin(); err != nil {
		return AppendResult{}, err
	}
	defer c.appender.release()
	ctx, span := c.connection.tracing.start(ctx, minkpb.EventStore_AppendToStream_FullMethodName)
	result, err := c.append(ctx, span.forEvents(), stream, expected, events)
	span.end(err)
	return result, err
}

func (c *Client) append(
	ctx context.Context, trace map[string]string, stream string, expected Expected, events []NewEvent,
) (AppendResult, error) {
	request := &minkpb.AppendToStreamRequest{Stream: stream}
	expected.toStream(request)
	var err error
	if request.Events, err = messages(events, "events", trace); err != nil {
		return AppendResult{}, err
	}
	body, number, err := c.appender.encode(&minkpb.SessionAppend{Append: &minkpb.SessionAppend_ToStream{ToStream: request}}, request)
	if err != nil {
		return AppendResult{}, err
	}
	var answer *minkpb.AppendToStreamResponse
	if len(body) > mostBytes {
		answer, err = alone(ctx, c.connection, c.connection.eventStore.AppendToStream, request)
	} else {
		var result *minkpb.SessionResult
		result, err = c.appender.append(ctx, number, body)
		answer = result.GetToStream()
	}
	if err != nil {
		return AppendResult{}, err
	}
	return AppendResult{answer.GetVersion(), answer.GetFirstPosition(), answer.GetLastPosition(), answer.GetReplayed()}, nil
}

// AppendMany appends events to several streams, all or none, each with its own expectation. At least one has events.
//
// It fails as [Client.Append] does; a [WrongExpectedVersion] names every stream that is not as expected.
func (c *Client) AppendMany(ctx context.Context, appends ...StreamAppend) (AppendManyResult, error) {
	if err := c.appender.begin(); err != nil {
		return AppendManyResult{}, err
	}
	defer c.appender.release()
	ctx, span := c.connection.tracing.start(ctx, minkpb.EventStore_AppendToStreams_FullMethodName)
	result, err := c.appendMany(ctx, span.forEvents(), appends)
	span.end(err)
	return result, err
}

func (c *Client) appendMany(
	ctx context.Context, trace map[string]string, appends []StreamAppend,
) (AppendManyResult, error) {
	request := &minkpb.AppendToStreamsRequest{}
	for place, part := range appends {
		written := &minkpb.StreamAppend{Stream: part.Stream}
		part.Expected.toPart(written)
		var err error
		if written.Events, err = messages(part.Events, fmt.Sprintf("appends[%d].events", place), trace); err != nil {
			return AppendManyResult{}, err
		}
		request.Appends = append(request.Appends, written)
	}
	body, number, err := c.appender.encode(&minkpb.SessionAppend{Append: &minkpb.SessionAppend_ToStreams{ToStreams: request}}, request)
	if err != nil {
		return AppendManyResult{}, err
	}
	var answer *minkpb.AppendToStreamsResponse
	if len(body) > mostBytes {
		answer, err = alone(ctx, c.connection, c.connection.eventStore.AppendToStreams, request)
	} else {
		var result *minkpb.SessionResult
		result, err = c.appender.append(ctx, number, body)
		answer = result.GetToStreams()
	}
	if err != nil {
		return AppendManyResult{}, err
	}
	result := AppendManyResult{
		FirstPosition: answer.GetFirstPosition(), LastPosition: answer.GetLastPosition(), Replayed: answer.GetReplayed(),
	}
	for _, s := range answer.GetStreams() {
		result.Streams = append(result.Streams,
			StreamAppended{s.GetStream(), s.GetVersion(), s.GetFirstPosition(), s.GetLastPosition()})
	}
	return result, nil
}

// messages are events as they are sent.
func messages(events []NewEvent, where string, trace map[string]string) ([]*minkpb.NewEvent, error) {
	written := make([]*minkpb.NewEvent, len(events))
	for place, event := range events {
		if err := event.payload.err; err != nil {
			return nil, invalid(fmt.Sprintf("%s[%d]", where, place), err.Error(), err)
		}
		written[place] = event.message(trace)
	}
	return written, nil
}

// encode writes an append, without its timeout, under a number of its own. The request is what it holds.
func (a *appender) encode(message *minkpb.SessionAppend, request proto.Message) (body []byte, number int64, err error) {
	number = a.numbers.Add(1)
	message.RequestId = number
	if body, err = proto.Marshal(message); err != nil {
		return nil, 0, unsendable(request, err)
	}
	return body, number, nil
}

// alone makes an append by a call of its own, which is too large for the session.
func alone[Q, A any](
	ctx context.Context, c *connection, method func(context.Context, *Q, ...grpc.CallOption) (*A, error), request *Q,
) (*A, error) {
	answer, err := call(ctx, c, "", isTransient, method, request)
	var over *DeadlineExceeded
	if errors.As(err, &over) {
		err = late(over.Error()+unknownOutcome, over.base.cause)
	}
	return answer, tooLargeForGRPC(err, any(request).(proto.Message))
}

// append sends an append over the session, again until it succeeds, fails for good, or its time is over.
func (a *appender) append(ctx context.Context, number int64, body []byte) (*minkpb.SessionResult, error) {
	ctx, cancel := context.WithTimeout(ctx, a.connection.timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var waits backoff
	var last error
	for {
		shown, err := a.connection.credentials.now(ctx)
		if err != nil {
			return nil, a.connection.failed(ctx, err)
		}
		entry := &entry{number: number, body: body, deadline: deadline, last: last, ready: make(chan struct{})}
		result, err := a.send(ctx, entry)
		if err == nil {
			return result, nil
		}
		var over *DeadlineExceeded
		if errors.As(err, &over) && last != nil {
			return nil, last
		}
		if waits.renews(ctx, a.connection, a.connection.timeout, shown.version, err) {
			continue
		}
		delay := waits.next(err)
		if !isTransient(err) || time.Now().Add(delay).After(deadline) {
			return nil, err
		}
		last = err
		if err := a.connection.sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}
