package mink

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mink-es/mink/clients/go/minkpb"
)

func eventsUpTo(first, last, position int64) *minkpb.SubscribeAllResponse {
	return &minkpb.SubscribeAllResponse{Message: &minkpb.SubscribeAllResponse_Events{
		Events: &minkpb.EventBatch{Events: numbered(first, last), Position: position},
	}}
}

func checkpointAt(position, head int64) *minkpb.SubscribeAllResponse {
	return &minkpb.SubscribeAllResponse{Message: &minkpb.SubscribeAllResponse_Checkpoint{
		Checkpoint: &minkpb.Checkpoint{Position: position, Head: head, LogId: "the-log"},
	}}
}

func caughtUpAt(position int64) *minkpb.SubscribeAllResponse {
	return &minkpb.SubscribeAllResponse{Message: &minkpb.SubscribeAllResponse_CaughtUp{CaughtUp: &minkpb.CaughtUp{Position: position}}}
}

// says is a server that sends these messages, one list a call, and then ends the call so.
func says(server *fake, ends error, calls ...[]*minkpb.SubscribeAllResponse) func() []*minkpb.SubscribeAllRequest {
	var mu sync.Mutex
	var asked []*minkpb.SubscribeAllRequest
	server.subscribe = func(r *minkpb.SubscribeAllRequest, stream minkpb.EventStore_SubscribeAllServer) error {
		mu.Lock()
		asked = append(asked, r)
		call := len(asked)
		mu.Unlock()
		if call > len(calls) {
			<-stream.Context().Done()
			return nil
		}
		for _, message := range calls[call-1] {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		if call == len(calls) && ends == nil {
			<-stream.Context().Done()
			return nil
		}
		return ends
	}
	return func() []*minkpb.SubscribeAllRequest {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

func TestASubscriptionCarriesOnAfterTheLastPositionSeen(t *testing.T) {
	server := newFake(t)
	asked := says(server, status.Error(codes.Unavailable, "gone"),
		[]*minkpb.SubscribeAllResponse{checkpointAt(2, 9), eventsUpTo(3, 4, 6)},
		[]*minkpb.SubscribeAllResponse{eventsUpTo(7, 8, 8)})
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context(), After(2), Types("T"))
	defer subscription.Close()
	want := int64(3)
	for event, err := range subscription.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Position() != want || subscription.Position() != want {
			t.Errorf("came %d at %d, not %d", event.Position(), subscription.Position(), want)
		}
		if want == 8 {
			break
		}
		if want++; want == 5 {
			want = 7
		}
	}
	requests := asked()
	if first := requests[0]; first.GetAfterPosition() != 2 || first.GetLogId() != "" || first.GetFilter().GetTypes()[0] != "T" {
		t.Errorf("began with %v", first)
	}
	if second := requests[1]; second.GetAfterPosition() != 6 || second.GetLogId() != "the-log" {
		t.Errorf("carried on with %v", second)
	}
	if subscription.Head() != 9 || subscription.LogID() != "the-log" || subscription.Lag() != 1 {
		t.Errorf("head %d, log %s, lag %d", subscription.Head(), subscription.LogID(), subscription.Lag())
	}
}

func TestThePositionMovesBehindABatchWhenItsEventsAreUsedUp(t *testing.T) {
	server := newFake(t)
	says(server, nil, []*minkpb.SubscribeAllResponse{eventsUpTo(1, 1, 5)})
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context())
	go func() {
		for end := time.Now().Add(5 * time.Second); subscription.Position() != 5 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		_ = subscription.Close()
	}()
	for event, err := range subscription.Events() {
		if err == nil && subscription.Position() != event.Position() {
			t.Errorf("with the event it is %d", subscription.Position())
		}
	}
	if subscription.Position() != 5 {
		t.Errorf("behind the batch it is %d", subscription.Position())
	}
}

func TestWhoBreaksOffAndIteratesAgainGoesOnWithTheNextEvent(t *testing.T) {
	server := newFake(t)
	says(server, nil, []*minkpb.SubscribeAllResponse{eventsUpTo(1, 3, 3), eventsUpTo(4, 5, 5)})
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context())
	defer subscription.Close()
	for event, err := range subscription.Events() {
		if err != nil || event.Position() != 1 {
			t.Fatal(event, err)
		}
		break
	}
	for batch, err := range subscription.Batches() {
		if err != nil || len(batch) != 2 || batch[0].Position() != 2 || subscription.Position() != 3 {
			t.Fatal(batch, subscription.Position(), err)
		}
		break
	}
	for event, err := range subscription.Events() {
		if err != nil || event.Position() != 4 {
			t.Fatal(event, err)
		}
		break
	}
}

func TestProgressTellsAlsoOfWhatHoldsNoEvent(t *testing.T) {
	server := newFake(t)
	says(server, nil, []*minkpb.SubscribeAllResponse{checkpointAt(0, 7), eventsUpTo(1, 1, 3), caughtUpAt(7)})
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context())
	defer subscription.Close()
	type step struct {
		events   int
		position int64
		caughtUp bool
	}
	var came []step
	for batch, err := range subscription.Progress() {
		if err != nil {
			t.Fatal(err)
		}
		came = append(came, step{len(batch), subscription.Position(), subscription.CaughtUp()})
		if len(came) == 3 {
			break
		}
	}
	for i, want := range []step{{0, 0, false}, {1, 3, false}, {0, 7, true}} {
		if came[i] != want {
			t.Errorf("step %d: %+v, not %+v", i, came[i], want)
		}
	}
}

func TestASilentServerIsLeft(t *testing.T) {
	server := newFake(t)
	asked := says(server, nil, []*minkpb.SubscribeAllResponse{eventsUpTo(1, 1, 1)})
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context(), SilenceTimeout(100*time.Millisecond))
	defer subscription.Close()
	go func() {
		for len(asked()) < 3 {
			time.Sleep(time.Millisecond)
		}
		_ = subscription.Close()
	}()
	count := 0
	for _, err := range subscription.Events() {
		var over *ClientClosed
		if count++; count == 2 && !errors.As(err, &over) {
			t.Errorf("it ended with %v", err)
		}
	}
	if calls := asked(); calls[1].GetAfterPosition() != 1 {
		t.Errorf("carried on with %v", calls[1])
	}
}

func TestAServerThatNeverAnsweredIsGivenUp(t *testing.T) {
	server := newFake(t)
	says(server, nil)
	for about, address := range map[string]string{"nobody is there": "127.0.0.1:1", "it says nothing": server.address} {
		client := newTestClient(t, address, WithTimeout(200*time.Millisecond))
		subscription := client.SubscribeAll(t.Context())
		var away *Unavailable
		for _, err := range subscription.Events() {
			if !errors.As(err, &away) {
				t.Errorf("%s: %v", about, err)
			}
		}
		_ = subscription.Close()
	}
}

func TestPositionAheadIsFinal(t *testing.T) {
	server := newFake(t)
	asked := says(server, minkStatus(codes.OutOfRange, "POSITION_AHEAD", &minkpb.PositionAhead{Position: 9, Head: 3, LogId: "l"}), nil, nil)
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context(), After(9), LogID("other"))
	defer subscription.Close()
	var ahead *PositionAhead
	for _, err := range subscription.Events() {
		if !errors.As(err, &ahead) || ahead.Head != 3 {
			t.Error(err)
		}
	}
	if requests := asked(); len(requests) != 1 || requests[0].GetLogId() != "other" {
		t.Errorf("asked %v", requests)
	}
}

func TestFromTheEndItCarriesOnFromWhereItWas(t *testing.T) {
	server := newFake(t)
	asked := says(server, status.Error(codes.Unavailable, "gone"),
		[]*minkpb.SubscribeAllResponse{checkpointAt(7, 7)}, []*minkpb.SubscribeAllResponse{eventsUpTo(8, 8, 8)})
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context(), FromEnd())
	defer subscription.Close()
	for _, err := range subscription.Events() {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if requests := asked(); !requests[0].GetFromEnd() || requests[1].GetAfterPosition() != 7 {
		t.Errorf("asked %v", requests)
	}
}

func TestASubscriptionEndsWithItsContextItsCloseOrItsClient(t *testing.T) {
	server := newFake(t)
	says(server, nil)
	for about, end := range map[string]func(cancel func(), s *Subscription, c *Client){
		"CANCELLED":      func(cancel func(), _ *Subscription, _ *Client) { cancel() },
		"CLIENT_CLOSED":  func(_ func(), s *Subscription, _ *Client) { _ = s.Close() },
		"CLIENT_CLOSED ": func(_ func(), _ *Subscription, c *Client) { _ = c.Close() },
	} {
		client := newTestClient(t, server.address)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		subscription := client.SubscribeAll(ctx)
		time.AfterFunc(50*time.Millisecond, func() { end(cancel, subscription, client) })
		for _, err := range subscription.Events() {
			if Reason(err) != about[:len(Reason(err))] {
				t.Errorf("%s: %v", about, err)
			}
		}
		for _, err := range subscription.Events() {
			if err == nil {
				t.Errorf("%s: it goes on", about)
			}
		}
	}
}

func TestOneGoroutineAtATimeIterates(t *testing.T) {
	server := newFake(t)
	says(server, nil, []*minkpb.SubscribeAllResponse{eventsUpTo(1, 1, 1)})
	client := newTestClient(t, server.address)
	subscription := client.SubscribeAll(t.Context())
	defer subscription.Close()
	for range subscription.Events() {
		for _, err := range subscription.Batches() {
			var wrong *InvalidRequest
			if !errors.As(err, &wrong) {
				t.Errorf("a second one: %v", err)
			}
		}
		break
	}
}
