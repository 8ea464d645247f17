package mink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// source is the messages of a call, and of the calls that carry on where a broken one ended.
type source[M any] struct {
	connection *connection
	path       string
	// begin begins a call after what was seen so far; isOver says that there is nothing left to see.
	begin  func(context.Context) (grpc.ServerStreamingClient[M], error)
	isOver func() bool

	call  *pull[M]
	waits backoff
}

// next is the next message, or io.EOF at the end. It may take the client's timeout, with all attempts to get it.
func (s *source[M]) next(ctx context.Context) (*M, error) {
	// A message that has come already is not for a caller who has gone.
	if err := s.connection.over(ctx); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(s.connection.timeout)
	var last error
	for {
		if s.call == nil && s.isOver() {
			return nil, io.EOF
		}
		version := -1
		message, err := s.attempt(ctx, time.Until(deadline), &version)
		switch {
		case err == nil:
			s.waits.reset()
			return message, nil
		case errors.Is(err, io.EOF):
			return nil, err
		case errors.Is(err, errSilent):
			if last == nil {
				last = late(fmt.Sprintf("no answer from Mink at %s within %v", s.connection.target, s.connection.timeout), nil)
			}
			return nil, last
		}
		if version >= 0 && s.waits.renews(ctx, s.connection, time.Until(deadline), version, err) {
			continue
		}
		delay := s.waits.next(err)
		if !isTransient(err) || time.Now().Add(delay).After(deadline) {
			return nil, err
		}
		last = err
		if err := s.connection.sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}

func (s *source[M]) attempt(ctx context.Context, patience time.Duration, version *int) (*M, error) {
	if s.call == nil {
		call, err := beginCall(ctx, s.connection, s.path, patience, s.begin)
		if call != nil {
			*version = call.version
		}
		if err != nil {
			return nil, err
		}
		s.call = call
	}
	call := s.call
	*version = call.version
	message, err := call.next(ctx, patience)
	if err != nil {
		s.call = nil
	} else if call.isOver() {
		s.close()
	}
	return message, err
}

func (s *source[M]) close() {
	if s.call != nil {
		s.call.close()
		s.call = nil
	}
}

// batchesOf are the lists that a reading's messages hold; none is empty.
func batchesOf[M any](ctx context.Context, s *source[M], saw func(*M) []*minkpb.RecordedEvent) iter.Seq2[[]*minkpb.RecordedEvent, error] {
	return func(yield func([]*minkpb.RecordedEvent, error) bool) {
		defer s.close()
		for {
			message, err := s.next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if events := saw(message); len(events) > 0 && !yield(events, nil) {
				return
			}
		}
	}
}

// oneByOne are the events of batches.
func oneByOne(ctx context.Context, c *connection, batches iter.Seq2[[]*minkpb.RecordedEvent, error]) iter.Seq2[RecordedEvent, error] {
	return func(yield func(RecordedEvent, error) bool) {
		for batch, err := range batches {
			if err != nil {
				yield(RecordedEvent{}, err)
				return
			}
			for _, message := range batch {
				// Events that have come already are not for a caller who has gone.
				if err := c.over(ctx); err != nil {
					yield(RecordedEvent{}, err)
					return
				}
				if !yield(RecordedEvent{message}, nil) {
					return
				}
			}
		}
	}
}

// inBatches are the same events, as many at once as the server sent.
func inBatches(batches iter.Seq2[[]*minkpb.RecordedEvent, error]) iter.Seq2[[]RecordedEvent, error] {
	return func(yield func([]RecordedEvent, error) bool) {
		for batch, err := range batches {
			if !yield(recorded(batch), err) || err != nil {
				return
			}
		}
	}
}

// streamReading is one reading of a stream: what was asked, and how far it has come.
type streamReading struct {
	stream        string
	from          int64
	backwards     bool
	limit         int64
	sinceSnapshot bool

	snapshot *minkpb.Snapshot
	seen     int64
	finished bool
}

func (r *streamReading) source(c *connection) *source[minkpb.ReadStreamResponse] {
	return &source[minkpb.ReadStreamResponse]{
		connection: c,
		path:       minkpb.EventStore_ReadStream_FullMethodName,
		isOver:     func() bool { return r.finished },
		begin: func(ctx context.Context) (grpc.ServerStreamingClient[minkpb.ReadStreamResponse], error) {
			return c.eventStore.ReadStream(ctx, &minkpb.ReadStreamRequest{
				Stream:        r.stream,
				FromVersion:   r.from,
				Direction:     direction(r.backwards),
				Limit:         left(r.limit, r.seen),
				SinceSnapshot: r.sinceSnapshot,
			})
		},
	}
}

// saw moves the point to carry on from behind a message.
func (r *streamReading) saw(message *minkpb.ReadStreamResponse) []*minkpb.RecordedEvent {
	if snapshot := message.GetSnapshot(); snapshot != nil {
		r.snapshot = snapshot
		r.sinceSnapshot = false
		r.from = snapshot.GetVersion() + 1
	}
	events := message.GetEvents()
	if len(events) > 0 {
		last := events[len(events)-1].GetVersion()
		r.sinceSnapshot = false
		r.seen += int64(len(events))
		r.from = last + 1
		if r.backwards {
			r.from = last - 1
		}
		// Version 0 would mean the newest: reading backwards ends with version 1.
		r.finished = (r.backwards && last <= 1) || (r.limit > 0 && r.seen >= r.limit)
	}
	return events
}

// logReading is one reading of the log: what was asked, and how far it has come.
type logReading struct {
	position  int64
	backwards bool
	limit     int64
	filter    *minkpb.EventFilter

	head     int64
	hasHead  bool
	seen     int64
	finished bool
}

func (r *logReading) source(c *connection) *source[minkpb.ReadAllResponse] {
	return &source[minkpb.ReadAllResponse]{
		connection: c,
		path:       minkpb.EventStore_ReadAll_FullMethodName,
		isOver:     func() bool { return r.finished },
		begin: func(ctx context.Context) (grpc.ServerStreamingClient[minkpb.ReadAllResponse], error) {
			request := &minkpb.ReadAllRequest{
				AfterPosition: r.position,
				Direction:     direction(r.backwards),
				Limit:         left(r.limit, r.seen),
				Filter:        r.filter,
			}
			if r.backwards {
				request.AfterPosition, request.BeforePosition = 0, r.position
			}
			return c.eventStore.ReadAll(ctx, request)
		},
	}
}

// saw moves the point to carry on from behind a message, and gives its events.
func (r *logReading) saw(message *minkpb.ReadAllResponse) []*minkpb.RecordedEvent {
	events := message.GetEvents()
	if !r.hasHead {
		r.head, r.hasHead = message.GetHead(), true
	} else if message.GetHead() > r.head && !r.backwards {
		// A call that carried on sees a newer head; the reading ends where it was to end when it began.
		for len(events) > 0 && events[len(events)-1].GetPosition() > r.head {
			events = events[:len(events)-1]
		}
	}
	r.seen += int64(len(events))
	r.position = message.GetPosition()
	// Before position 0 would mean from the newest: reading backwards ends with position 1.
	over := r.position >= r.head
	if r.backwards {
		over = r.position <= 1
	}
	r.finished = over || (r.limit > 0 && r.seen >= r.limit)
	return events
}

func direction(backwards bool) minkpb.ReadDirection {
	if backwards {
		return minkpb.ReadDirection_BACKWARDS
	}
	return minkpb.ReadDirection_FORWARDS
}

// left is how many events to ask for; 0: all.
func left(limit, seen int64) int64 {
	if limit == 0 {
		return 0
	}
	return limit - seen
}
