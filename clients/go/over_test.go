package mink

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// hundred is a server that has sent a hundred of everything before anybody looks at the first.
func hundred(t *testing.T) *fake {
	server := newFake(t)
	server.read = func(_ *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		return stream.Send(&minkpb.ReadStreamResponse{Events: numbered(1, 100)})
	}
	server.readAll = func(_ *minkpb.ReadAllRequest, stream minkpb.EventStore_ReadAllServer) error {
		return stream.Send(&minkpb.ReadAllResponse{Events: numbered(1, 100), Position: 100, Head: 100})
	}
	server.unary = func(string, proto.Message) (proto.Message, error) {
		page := &minkpb.ListStreamsResponse{}
		for range 100 {
			page.Streams = append(page.Streams, &minkpb.StreamInfo{Stream: "S"})
		}
		return page, nil
	}
	server.subscribe = func(_ *minkpb.SubscribeAllRequest, stream minkpb.EventStore_SubscribeAllServer) error {
		_ = stream.Send(eventsUpTo(1, 100, 100))
		_ = stream.Send(eventsUpTo(101, 200, 200))
		<-stream.Context().Done()
		return nil
	}
	return server
}

// stopAt goes through an iteration, calls stop with one thing, and gives how many came and how it ended.
func stopAt[T any](at int, stop func(), things func(yield func(T, error) bool)) (count int, ended error) {
	for _, err := range things {
		if err != nil {
			ended = err
			continue
		}
		if count++; count == at {
			stop()
		}
	}
	return count, ended
}

func TestAnIterationEndsAtOnceWithItsContextAndItsClient(t *testing.T) {
	address := hundred(t).address
	iterations := map[string]func(ctx context.Context, c *Client, stop func()) (int, error){
		"a stream": func(ctx context.Context, c *Client, stop func()) (int, error) {
			return stopAt(5, stop, c.ReadStream(ctx, "S-1"))
		},
		"the log": func(ctx context.Context, c *Client, stop func()) (int, error) {
			return stopAt(5, stop, c.ReadAll(ctx))
		},
		"streams": func(ctx context.Context, c *Client, stop func()) (int, error) {
			return stopAt(5, stop, c.ListStreams(ctx, ""))
		},
		"a subscription": func(ctx context.Context, c *Client, stop func()) (int, error) {
			return stopAt(5, stop, c.SubscribeAll(ctx).Events())
		},
		"the last event": func(ctx context.Context, c *Client, stop func()) (int, error) {
			count, err := stopAt(100, stop, c.ReadStream(ctx, "S-1"))
			return count - 95, err
		},
		"batches": func(ctx context.Context, c *Client, stop func()) (int, error) {
			count, err := stopAt(1, stop, c.ReadStreamBatches(ctx, "S-1"))
			return count + 4, err
		},
		"batches of a subscription": func(ctx context.Context, c *Client, stop func()) (int, error) {
			count, err := stopAt(1, stop, c.SubscribeAll(ctx).Batches())
			return count + 4, err
		},
	}
	for about, iterate := range iterations {
		client := newTestClient(t, address)
		ctx, cancel := context.WithCancel(t.Context())
		if count, err := iterate(ctx, client, cancel); count != 5 || !errors.Is(err, context.Canceled) || Reason(err) != "CANCELLED" {
			t.Errorf("%s, cancelled: %d came, then %v", about, count, err)
		}
		if count, err := iterate(t.Context(), client, func() { _ = client.Close() }); count != 5 || Reason(err) != "CLIENT_CLOSED" {
			t.Errorf("%s, its client closed: %d came, then %v", about, count, err)
		}
	}
}

func TestALoopThatClosesItsSubscriptionEndsWithoutAnError(t *testing.T) {
	client := newTestClient(t, hundred(t).address)
	events := client.SubscribeAll(t.Context())
	if count, err := stopAt(5, func() { _ = events.Close() }, events.Events()); count != 5 || err != nil {
		t.Errorf("%d came, then %v", count, err)
	}
	if events.Position() != 5 {
		t.Errorf("the position is %d", events.Position())
	}
	var over *ClientClosed
	if count, err := stopAt(1, func() {}, events.Events()); count != 0 || !errors.As(err, &over) {
		t.Errorf("once more: %d came, then %v", count, err)
	}
	batches := client.SubscribeAll(t.Context())
	if count, err := stopAt(1, func() { _ = batches.Close() }, batches.Batches()); count != 1 || err != nil {
		t.Errorf("%d batches came, then %v", count, err)
	}
}

func TestWhatTheCallerSaidToItsContextIsKept(t *testing.T) {
	server := newFake(t)
	server.session = silent
	server.unary = func(string, proto.Message) (proto.Message, error) {
		time.Sleep(300 * time.Millisecond)
		return &minkpb.GetStreamResponse{}, nil
	}
	server.read = func(_ *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		<-stream.Context().Done()
		return nil
	}
	server.subscribe = func(_ *minkpb.SubscribeAllRequest, stream minkpb.EventStore_SubscribeAllServer) error {
		<-stream.Context().Done()
		return nil
	}
	why := errors.New("the user went away")
	client := newTestClient(t, server.address)
	for _, kind := range []string{"unary", "append", "reading", "subscription"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
		if err := oneOf(ctx, client, kind); !errors.Is(err, why) || !errors.Is(err, context.Canceled) || Reason(err) != "CANCELLED" {
			t.Errorf("%s, cancelled: %v", kind, err)
		}
		limited, stop := context.WithTimeoutCause(t.Context(), time.Millisecond, why)
		<-limited.Done() // at the same moment the server may say that it has ended the call
		if err := oneOf(limited, client, kind); !errors.Is(err, why) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, too late: %v", kind, err)
		}
		stop()
	}
}
