package mink

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mink-es/mink/clients/go/minkpb"
)

func TestPausesDoubleUpToTwoSecondsWithJitter(t *testing.T) {
	for attempts, whole := range map[int]time.Duration{
		0: 50 * time.Millisecond, 1: 100 * time.Millisecond, 3: 400 * time.Millisecond, 6: 2 * time.Second, 1000: 2 * time.Second,
	} {
		least, most := 2*whole, time.Duration(0)
		for range 500 {
			delay := pause(attempts, nil)
			least, most = min(least, delay), max(most, delay)
		}
		if least < whole/2 || most > whole || most-least < whole/4 {
			t.Errorf("after %d attempts: %v to %v", attempts, least, most)
		}
	}
	asked := &Overloaded{RetryAfter: time.Second}
	for range 500 {
		if delay := pause(0, asked); delay < time.Second || delay > 1200*time.Millisecond {
			t.Fatalf("the server asked for a second, the pause is %v", delay)
		}
	}
}

// failing answers so often with an error, and then well.
func failing(times int, err error) func(string, proto.Message) (proto.Message, error) {
	return func(method string, _ proto.Message) (proto.Message, error) {
		if times--; times >= 0 {
			return nil, err
		}
		switch method {
		case minkpb.EventStore_DeleteStream_FullMethodName:
			return &minkpb.DeleteStreamResponse{}, nil
		case minkpb.EventStore_TruncateStream_FullMethodName:
			return &minkpb.TruncateStreamResponse{}, nil
		case minkpb.Snapshots_DeleteSnapshot_FullMethodName:
			return &minkpb.DeleteSnapshotResponse{}, nil
		}
		return &minkpb.GetStreamResponse{Stream: &minkpb.StreamInfo{Version: 7}}, nil
	}
}

func TestACallIsMadeAgainUntilItSucceeds(t *testing.T) {
	server := newFake(t)
	server.unary = failing(3, status.Error(codes.Unavailable, "away"))
	client := newTestClient(t, server.address)
	if found, err := client.GetStream(t.Context(), "S-1"); err != nil || found.Version != 7 {
		t.Error(found, err)
	}
	if calls := len(server.seen(minkpb.EventStore_GetStream_FullMethodName)); calls != 4 {
		t.Errorf("%d calls", calls)
	}
}

func TestACallThatRemovesIsMadeAgainOnlyIfNothingWasDone(t *testing.T) {
	for name, remove := range map[string]func(context.Context, *Client) error{
		minkpb.EventStore_DeleteStream_FullMethodName: func(ctx context.Context, c *Client) error {
			_, err := c.DeleteStream(ctx, "S-1", Any)
			return err
		},
		minkpb.EventStore_TruncateStream_FullMethodName: func(ctx context.Context, c *Client) error {
			_, err := c.TruncateStream(ctx, "S-1", 2)
			return err
		},
		minkpb.Snapshots_DeleteSnapshot_FullMethodName: func(ctx context.Context, c *Client) error {
			_, err := c.DeleteSnapshot(ctx, "S-1")
			return err
		},
	} {
		server := newFake(t)
		client := newTestClient(t, server.address)
		server.unary = failing(1, minkStatus(codes.Unavailable, "DATABASE_UNAVAILABLE"))
		var database *DatabaseUnavailable
		if err := remove(t.Context(), client); !errors.As(err, &database) {
			t.Errorf("%s, when it may have been done: %v", name, err)
		}
		server.unary = failing(1, minkStatus(codes.Unavailable, "SHUTTING_DOWN"))
		if err := remove(t.Context(), client); err != nil {
			t.Errorf("%s, when nothing was done: %v", name, err)
		}
	}
}

func TestNothingIsTriedAgainAfterTheTimeIsOver(t *testing.T) {
	server := newFake(t)
	server.unary = failing(1000, minkStatus(codes.ResourceExhausted, "OVERLOADED", retryInfo(durationpb.New(time.Minute))))
	client := newTestClient(t, server.address)
	began := time.Now()
	var busy *Overloaded
	if _, err := client.GetStream(t.Context(), "S-1"); !errors.As(err, &busy) || busy.RetryAfter != time.Minute {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it waited %v for what could not come in time", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server.unary = failing(1000, status.Error(codes.Unavailable, "away"))
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := client.GetStream(ctx, "S-1"); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller cancelled: %v", err)
	}
}

func TestACallWithoutAnAnswerEndsWithDeadlineExceeded(t *testing.T) {
	server := newFake(t)
	release := make(chan struct{})
	server.unary = func(string, proto.Message) (proto.Message, error) {
		<-release
		return &minkpb.GetStreamResponse{}, nil
	}
	defer close(release)
	client := newTestClient(t, server.address, WithTimeout(100*time.Millisecond))
	var over *DeadlineExceeded
	if _, err := client.GetStream(t.Context(), "S-1"); !errors.As(err, &over) {
		t.Error(err)
	}
}

func TestClosingEndsACallThatWaitsToBeMadeAgain(t *testing.T) {
	server := newFake(t)
	server.unary = failing(1000, minkStatus(codes.ResourceExhausted, "OVERLOADED", retryInfo(durationpb.New(5*time.Second))))
	client := newTestClient(t, server.address)
	time.AfterFunc(100*time.Millisecond, func() { _ = client.Close() })
	var over *ClientClosed
	if _, err := client.GetStream(t.Context(), "S-1"); !errors.As(err, &over) {
		t.Error(err)
	}
}
