package mink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/mink-es/mink/clients/go/minkpb"
)

const defaultSilence = 15 * time.Second

// Subscription follows the log: everything after a position, in order, then what is appended. See [Client.SubscribeAll].
//
// Each event comes once. When the server goes away, stops, or falls silent, the subscription connects again and carries on after
// the last position seen. One goroutine at a time may iterate; everything else may be asked by any.
type Subscription struct {
	connection *connection
	filter     *minkpb.EventFilter
	silence    time.Duration
	refused    error // an argument that cannot be

	ctx  context.Context
	stop context.CancelFunc

	// Who iterates holds it, and has what follows for itself.
	iterating sync.Mutex
	call      *pull[minkpb.SubscribeAllResponse]
	waits     backoff
	answered  bool
	giveUpAt  time.Time
	fromEnd   bool
	resume    int64                   // everything up to it has been received
	pending   []*minkpb.RecordedEvent // received, and not given yet

	state    sync.Mutex // guards what follows
	closed   bool
	position int64
	head     int64
	caughtUp bool
	logID    string
}

func newSubscription(ctx context.Context, c *connection, options *subscribeOptions) *Subscription {
	s := &Subscription{
		connection: c, filter: &options.filter, silence: options.silence, fromEnd: options.fromEnd,
		resume: options.after, position: options.after, logID: options.logID,
	}
	if options.fromEnd && options.after != 0 {
		s.refused = invalid("from_end", "goes without after: one of the two", nil)
	} else if s.silence <= 0 {
		s.refused = invalid("silence_timeout", "must be above zero", nil)
	} else {
		s.refused = checkRequest(&minkpb.SubscribeAllRequest{Filter: s.filter, LogId: s.logID})
	}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s
}

// Close ends the subscription. A loop over it that calls Close just ends, and gives nothing that has come meanwhile; so does one whose
// body runs while another goroutine calls it. One that waits ends with [ClientClosed], and so does every later one.
func (s *Subscription) Close() error {
	s.state.Lock()
	s.closed = true
	s.caughtUp = false
	s.state.Unlock()
	s.stop()
	return nil
}

// Position is the checkpoint: every event that passes the filter up to it has been given. Resume after it.
func (s *Subscription) Position() int64 {
	s.state.Lock()
	defer s.state.Unlock()
	return s.position
}

// CaughtUp says whether all events that the log had were received, and what follows is live.
func (s *Subscription) CaughtUp() bool {
	s.state.Lock()
	defer s.state.Unlock()
	return s.caughtUp
}

// Head is the newest position that the server has told of; 0 before its first message.
func (s *Subscription) Head() int64 {
	s.state.Lock()
	defer s.state.Unlock()
	return max(s.head, s.position)
}

// Lag is how many positions the subscription is behind the head, as far as is known.
func (s *Subscription) Lag() int64 {
	s.state.Lock()
	defer s.state.Unlock()
	return max(s.head-s.position, 0)
}

// LogID is the log's id, a UUID; empty before the server's first message. Keep it with the checkpoint, and give both to the next
// subscription ([After], [LogID]).
func (s *Subscription) LogID() string {
	s.state.Lock()
	defer s.state.Unlock()
	return s.logID
}

// Events are the events, one by one, without end. [Subscription.Position] is that of the event that was given last. Who breaks off and
// iterates again goes on with the next event.
//
// An error is the last thing that comes: [PositionAhead] if the log is not the one that the position came from; [Unavailable] if
// a server that never answered did not answer within the client's timeout; [ClientClosed] after Close; the context's, if that ended.
func (s *Subscription) Events() iter.Seq2[RecordedEvent, error] {
	return func(yield func(RecordedEvent, error) bool) {
		err := s.iterate(func() bool {
			for len(s.pending) > 0 && s.connection.over(s.ctx) == nil {
				event := s.pending[0]
				s.pending = s.pending[1:]
				s.moved(event.GetPosition())
				if !yield(RecordedEvent{event}, nil) || s.isClosed() {
					return false
				}
			}
			if len(s.pending) == 0 {
				s.moved(s.resume)
			}
			return true
		})
		if err != nil {
			yield(RecordedEvent{}, err)
		}
	}
}

// Batches are the events, as many at once as the server sends: for speed. None is empty. [Subscription.Position] is behind the whole
// batch. For everything else see [Subscription.Events].
func (s *Subscription) Batches() iter.Seq2[[]RecordedEvent, error] { return s.batches(false) }

// Progress is the same as Batches, with an empty batch whenever the server says something else (a checkpoint every few seconds,
// caught up, fell behind), so that the caller can save the position also when nothing matches.
func (s *Subscription) Progress() iter.Seq2[[]RecordedEvent, error] { return s.batches(true) }

func (s *Subscription) batches(idle bool) iter.Seq2[[]RecordedEvent, error] {
	return func(yield func([]RecordedEvent, error) bool) {
		first := true
		err := s.iterate(func() bool {
			if s.connection.over(s.ctx) != nil {
				return true // receiving says why
			}
			batch, begins := s.pending, first
			s.pending, first = nil, false
			s.moved(s.resume)
			if len(batch) == 0 && (!idle || begins) {
				return true
			}
			return yield(recorded(batch), nil) && !s.isClosed()
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// isClosed says whether Close was called; it takes a lock only if something has ended.
func (s *Subscription) isClosed() bool {
	select {
	case <-s.ctx.Done():
	default:
		return false
	}
	s.state.Lock()
	defer s.state.Unlock()
	return s.closed
}

func (s *Subscription) moved(position int64) {
	s.state.Lock()
	s.position = position
	s.state.Unlock()
}

// iterate gives what was received, and receives more, until there is enough. What receives fails for good ends it.
func (s *Subscription) iterate(give func() (more bool)) error {
	if s.refused != nil {
		return s.refused
	}
	if !s.iterating.TryLock() {
		return invalid("subscription", "somebody else is iterating over it already", nil)
	}
	defer s.iterating.Unlock()
	if s.giveUpAt.IsZero() {
		s.giveUpAt = time.Now().Add(s.connection.timeout)
	}
	for give() {
		if err := s.receive(); err != nil {
			return err
		}
	}
	return nil
}

// receive takes the next message; over a new call if the present one breaks.
func (s *Subscription) receive() error {
	if s.connection.over(s.ctx) != nil {
		s.hangUp()
		return s.ended()
	}
	for {
		version := -1
		message, err := s.attempt(&version)
		if err == nil {
			s.take(message)
			return nil
		}
		s.hangUp()
		if s.ctx.Err() != nil {
			return s.ended()
		}
		switch {
		case errors.Is(err, errSilent):
			err = unavailable(fmt.Sprintf("no message from Mink at %s for %v, not even a checkpoint", s.connection.target, s.patience()))
		case errors.Is(err, io.EOF):
			err = unavailable("the server ended the subscription")
		}
		if version >= 0 && s.waits.renews(s.ctx, s.connection, s.connection.timeout, version, err) {
			continue
		}
		delay := s.waits.next(err)
		// A server that has never answered may not be one; a server that has will be back.
		if !isTransient(err) || !s.answered && time.Now().Add(delay).After(s.giveUpAt) {
			return err
		}
		s.interrupted(err, delay)
		if err := s.connection.sleep(s.ctx, delay); err != nil {
			if s.ctx.Err() != nil {
				return s.ended()
			}
			return err
		}
	}
}

// ended is why there is nothing more to come.
func (s *Subscription) ended() error {
	s.state.Lock()
	defer s.state.Unlock()
	if s.closed {
		return closed("the subscription was closed")
	}
	return s.connection.failed(s.ctx, s.ctx.Err())
}

func (s *Subscription) interrupted(err error, delay time.Duration) {
	level := slog.LevelDebug
	// One line for an interruption, however long it lasts. A server that ends the call on purpose is nothing to worry about.
	var stopping *ShuttingDown
	if s.waits.attempts == 1 && !errors.As(err, &stopping) {
		level = slog.LevelWarn
	}
	s.connection.log.Log(s.ctx, level, "mink: subscription interrupted", "position", s.resume, "error", err, "again_in", delay)
}

func (s *Subscription) attempt(version *int) (*minkpb.SubscribeAllResponse, error) {
	if s.call == nil {
		call, err := beginCall(s.ctx, s.connection, "", s.patience(), s.begin)
		if call != nil {
			*version = call.version
		}
		if err != nil {
			return nil, err
		}
		s.call = call
	}
	*version = s.call.version
	message, err := s.call.next(s.ctx, s.patience())
	if err == nil && s.call.isOver() {
		s.hangUp()
	}
	return message, err
}

func (s *Subscription) begin(ctx context.Context) (grpc.ServerStreamingClient[minkpb.SubscribeAllResponse], error) {
	request := &minkpb.SubscribeAllRequest{Filter: s.filter, LogId: s.LogID()}
	if s.fromEnd {
		request.Start = &minkpb.SubscribeAllRequest_FromEnd{FromEnd: true}
	} else {
		request.Start = &minkpb.SubscribeAllRequest_AfterPosition{AfterPosition: s.resume}
	}
	return s.connection.eventStore.SubscribeAll(ctx, request)
}

func (s *Subscription) take(message *minkpb.SubscribeAllResponse) {
	s.state.Lock()
	switch kind := message.GetMessage().(type) {
	case *minkpb.SubscribeAllResponse_Events:
		s.pending = kind.Events.GetEvents()
		s.resume = kind.Events.GetPosition()
	case *minkpb.SubscribeAllResponse_Checkpoint:
		s.resume = kind.Checkpoint.GetPosition()
		s.head = kind.Checkpoint.GetHead()
		s.logID = kind.Checkpoint.GetLogId()
	case *minkpb.SubscribeAllResponse_CaughtUp:
		s.resume = kind.CaughtUp.GetPosition()
		s.caughtUp = !s.closed
	case *minkpb.SubscribeAllResponse_FellBehind:
		s.resume = kind.FellBehind.GetPosition()
		s.caughtUp = false
	}
	if len(s.pending) == 0 {
		s.position = s.resume
	}
	s.state.Unlock()
	if s.waits.attempts > 0 {
		s.connection.log.Info("mink: subscription carries on", "position", s.resume)
	}
	s.fromEnd = false
	s.waits.reset()
	s.answered = true
}

func (s *Subscription) hangUp() {
	s.state.Lock()
	s.caughtUp = false
	s.state.Unlock()
	if s.call != nil {
		s.call.close()
		s.call = nil
	}
}

func (s *Subscription) patience() time.Duration {
	if s.answered {
		return s.silence
	}
	return min(s.silence, s.connection.timeout)
}
