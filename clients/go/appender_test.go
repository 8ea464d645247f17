package mink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// recordingSession is a session that keeps what came, message by message.
type recordingSession struct {
	mu       sync.Mutex
	messages [][]*minkpb.SessionAppend
	open     int
}

func (r *recordingSession) take(stream minkpb.EventStore_AppendSessionServer) ([]*minkpb.SessionAppend, error) {
	request, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, request.GetAppends())
	return request.GetAppends(), nil
}

func (r *recordingSession) streams() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, a := range slices.Concat(r.messages...) {
		names = append(names, a.GetToStream().GetStream())
	}
	return names
}

func event() NewEvent { return RawJSON("T", "{}") }

func TestManyCallersShareOneSessionAndFewMessages(t *testing.T) {
	const callers, each = 200, 10
	server, kept := newFake(t), &recordingSession{}
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		var waiting []*minkpb.SessionAppend
		for {
			appends, err := kept.take(stream)
			if err != nil {
				return nil
			}
			// All callers are answered together, and so go on together.
			if waiting = append(waiting, appends...); len(waiting) == callers {
				if err := stream.Send(results(waiting, appendedAt1)); err != nil {
					return err
				}
				waiting = nil
			}
		}
	}
	client := newTestClient(t, server.address)
	var all sync.WaitGroup
	for caller := range callers {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range each {
				if _, err := client.Append(t.Context(), fmt.Sprintf("S-%d-%d", caller, n), NoStream, event()); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	if calls := len(server.seen(minkpb.EventStore_AppendSession_FullMethodName)); calls != 1 {
		t.Errorf("%d sessions", calls)
	}
	if sent := len(kept.streams()); sent != callers*each {
		t.Errorf("%d appends were sent, not %d", sent, callers*each)
	}
	if messages := len(kept.messages); messages > callers*each/4 {
		t.Errorf("%d messages for %d appends", messages, callers*each)
	}
	seen := map[int64]bool{}
	for _, message := range kept.messages {
		if len(message) > mostAppends {
			t.Errorf("%d appends in a message", len(message))
		}
		for _, a := range message {
			if seen[a.GetRequestId()] {
				t.Errorf("the number %d came twice", a.GetRequestId())
			}
			seen[a.GetRequestId()] = true
			if left := a.GetTimeout().AsDuration(); left < 9*time.Second || left > 10100*time.Millisecond {
				t.Errorf("an append has %v left", left)
			}
		}
	}
}

func TestAMessageHoldsAtMostAMebibyte(t *testing.T) {
	server, kept := newFake(t), &recordingSession{}
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		for {
			appends, err := kept.take(stream)
			if err != nil {
				return nil
			}
			if err := stream.Send(results(appends, appendedAt1)); err != nil {
				return err
			}
		}
	}
	client := newTestClient(t, server.address)
	var all sync.WaitGroup
	for n := range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := client.Append(t.Context(), fmt.Sprint("S-", n), Any, Binary("T", make([]byte, 300_000))); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	for _, message := range kept.messages {
		if size := proto.Size(&minkpb.AppendSessionRequest{Appends: message}); size > mostBytes+1000 {
			t.Errorf("a message has %d bytes", size)
		}
	}
}

func TestAnAppendOfMoreThanAMebibyteGoesByItself(t *testing.T) {
	server := newFake(t)
	server.unary = func(method string, request proto.Message) (proto.Message, error) {
		if method == minkpb.EventStore_AppendToStreams_FullMethodName {
			return &minkpb.AppendToStreamsResponse{LastPosition: 9}, nil
		}
		return &minkpb.AppendToStreamResponse{Version: 7}, nil
	}
	client := newTestClient(t, server.address)
	large := Binary("T", make([]byte, mostBytes))
	if done, err := client.Append(t.Context(), "S-1", Any, large); err != nil || done.Version != 7 {
		t.Error(done, err)
	}
	if done, err := client.AppendMany(t.Context(), StreamAppend{"S-1", Any, []NewEvent{large}}); err != nil || done.LastPosition != 9 {
		t.Error(done, err)
	}
}

func TestASessionThatBreaksIsOpenedAgainAndWhatWasNotAnsweredIsSentAgainInOrder(t *testing.T) {
	server, kept := newFake(t), &recordingSession{}
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		kept.mu.Lock()
		kept.open++
		first := kept.open == 1
		kept.mu.Unlock()
		for {
			appends, err := kept.take(stream)
			if err != nil {
				return nil
			}
			if first {
				if len(kept.streams()) < 3 {
					continue
				}
				return status.Error(codes.Unavailable, "gone")
			}
			if err := stream.Send(results(appends, appendedAt1)); err != nil {
				return err
			}
		}
	}
	client := newTestClient(t, server.address)
	var all sync.WaitGroup
	for n := range 3 {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := client.Append(t.Context(), fmt.Sprint("S-", n), NoStream, event()); err != nil {
				t.Error(err)
			}
		}()
		for len(kept.streams()) < n+1 {
			time.Sleep(time.Millisecond)
		}
	}
	all.Wait()
	want := []string{"S-0", "S-1", "S-2", "S-0", "S-1", "S-2"}
	if came := kept.streams(); !slices.Equal(came, want) {
		t.Errorf("came %v, not %v", came, want)
	}
	events := slices.Concat(kept.messages...)
	if events[0].GetToStream().GetEvents()[0].GetId() != events[3].GetToStream().GetEvents()[0].GetId() {
		t.Error("an append that is sent again has other ids")
	}
}

func TestAnAppendThatFailsFailsAlone(t *testing.T) {
	server := newFake(t)
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		for {
			request, err := stream.Recv()
			if err != nil {
				return nil
			}
			response := results(request.GetAppends(), func(a *minkpb.SessionAppend) *minkpb.SessionResult {
				if a.GetToStream().GetStream() == "Bad" {
					return notAppended(a, minkStatus(codes.NotFound, "STREAM_DELETED"))
				}
				return appendedAt1(a)
			})
			if err := stream.Send(response); err != nil {
				return err
			}
		}
	}
	client := newTestClient(t, server.address)
	var deleted *StreamDeleted
	if _, err := client.Append(t.Context(), "Bad", Any, event()); !errors.As(err, &deleted) {
		t.Errorf("it failed with %v", err)
	}
	if _, err := client.Append(t.Context(), "Good", Any, event()); err != nil {
		t.Error(err)
	}
	if calls := len(server.seen(minkpb.EventStore_AppendSession_FullMethodName)); calls != 1 {
		t.Errorf("%d sessions", calls)
	}
}

func TestAnAppendThatIsRefusedForNowIsSentAgain(t *testing.T) {
	server, tries := newFake(t), 0
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		for {
			request, err := stream.Recv()
			if err != nil {
				return nil
			}
			tries++
			answer := appendedAt1
			if tries < 3 {
				answer = func(a *minkpb.SessionAppend) *minkpb.SessionResult {
					wait := retryInfo(durationpb.New(10 * time.Millisecond))
					return notAppended(a, minkStatus(codes.ResourceExhausted, "OVERLOADED", wait))
				}
			}
			if err := stream.Send(results(request.GetAppends(), answer)); err != nil {
				return err
			}
		}
	}
	client := newTestClient(t, server.address)
	if _, err := client.Append(t.Context(), "S-1", Any, event()); err != nil {
		t.Error(err)
	}
	if tries != 3 {
		t.Errorf("%d tries", tries)
	}
}

// silent is a session that takes appends and never answers.
func silent(stream minkpb.EventStore_AppendSessionServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return nil
		}
	}
}

func TestAnAppendEndsWithItsContextOrTheClientsTimeoutWhicheverIsFirst(t *testing.T) {
	server := newFake(t)
	server.session = silent
	client := newTestClient(t, server.address, WithTimeout(100*time.Millisecond))
	var over *DeadlineExceeded
	if _, err := client.Append(t.Context(), "S-1", Any, event()); !errors.As(err, &over) {
		t.Errorf("after the client's timeout: %v", err)
	}
	patient := newTestClient(t, server.address, WithTimeout(time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := patient.Append(ctx, "S-1", Any, event()); !errors.As(err, &over) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the context's deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := patient.Append(ctx, "S-1", Any, event()); !errors.Is(err, context.Canceled) || Reason(err) != "CANCELLED" {
		t.Errorf("after the context was cancelled: %v", err)
	}
	if waiting := len(patient.appender.inFlight); waiting != 0 {
		t.Errorf("%d appends whose callers have gone are waited for", waiting)
	}
}

func TestWhenTheTimeIsOverTheLastFailureIsTold(t *testing.T) {
	server := newFake(t)
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		return minkStatus(codes.Unavailable, "DATABASE_UNAVAILABLE")
	}
	client := newTestClient(t, server.address, WithTimeout(200*time.Millisecond))
	var database *DatabaseUnavailable
	if _, err := client.Append(t.Context(), "S-1", Any, event()); !errors.As(err, &database) {
		t.Errorf("it failed with %v", err)
	}
}

func TestAnAppendWhoseCallerHasGoneIsNotSent(t *testing.T) {
	server, kept := newFake(t), &recordingSession{}
	var ready atomic.Bool
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		if !ready.Load() {
			return status.Error(codes.Unavailable, "not yet")
		}
		for {
			appends, err := kept.take(stream)
			if err != nil {
				return nil
			}
			if err := stream.Send(results(appends, appendedAt1)); err != nil {
				return err
			}
		}
	}
	client := newTestClient(t, server.address)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var away *Unavailable
	if _, err := client.Append(ctx, "Gone", Any, event()); !errors.As(err, &away) {
		t.Errorf("it failed with %v", err)
	}
	ready.Store(true)
	if _, err := client.Append(t.Context(), "There", Any, event()); err != nil {
		t.Error(err)
	}
	if came := kept.streams(); !slices.Equal(came, []string{"There"}) {
		t.Errorf("came %v", came)
	}
}

func TestALargeAppendThatIsNotAnsweredHasAnUnknownOutcome(t *testing.T) {
	server := newFake(t)
	server.unary = func(string, proto.Message) (proto.Message, error) {
		time.Sleep(400 * time.Millisecond)
		return &minkpb.AppendToStreamResponse{}, nil
	}
	client := newTestClient(t, server.address, WithTimeout(200*time.Millisecond))
	_, err := client.Append(t.Context(), "S-1", Any, Binary("T", make([]byte, mostBytes)))
	var over *DeadlineExceeded
	if !errors.As(err, &over) || !strings.Contains(err.Error(), "whether the append was made is unknown") {
		t.Error(err)
	}
}

func TestWhatCannotBeTriedAgainFailsEverybodyWhoWaits(t *testing.T) {
	server := newFake(t)
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		return minkStatus(codes.PermissionDenied, "PERMISSION_DENIED", &minkpb.AccessRequired{Role: "append"})
	}
	client := newTestClient(t, server.address)
	var all sync.WaitGroup
	for range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			var denied *PermissionDenied
			if _, err := client.Append(t.Context(), "S-1", Any, event()); !errors.As(err, &denied) || denied.Role != "append" {
				t.Errorf("it failed with %v", err)
			}
		}()
	}
	all.Wait()
}

func TestNoMoreThanTenThousandAppendsAreSentAndNotAnswered(t *testing.T) {
	const more = 500
	server, kept := newFake(t), &recordingSession{}
	answer := make(chan struct{})
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		var waiting []*minkpb.SessionAppend
		for len(waiting) < mostInFlight {
			appends, err := kept.take(stream)
			if err != nil {
				return nil
			}
			waiting = append(waiting, appends...)
		}
		<-answer
		if err := stream.Send(results(waiting, appendedAt1)); err != nil {
			return err
		}
		return answered(stream)
	}
	client := newTestClient(t, server.address, WithTimeout(time.Minute))
	var all sync.WaitGroup
	for range mostInFlight + more {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := client.Append(t.Context(), "S-1", Any, event()); err != nil {
				t.Error(err)
			}
		}()
	}
	for len(kept.streams()) < mostInFlight {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if sent := len(kept.streams()); sent != mostInFlight {
		t.Errorf("%d appends were sent before one was answered", sent)
	}
	close(answer)
	all.Wait()
}

func TestClosingWaitsForAppendsUnderWay(t *testing.T) {
	server, asked := newFake(t), make(chan struct{})
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		close(asked)
		time.Sleep(100 * time.Millisecond)
		if err := stream.Send(results(request.GetAppends(), appendedAt1)); err != nil {
			return err
		}
		return answered(stream)
	}
	client := newTestClient(t, server.address)
	done := make(chan error, 1)
	go func() {
		_, err := client.Append(t.Context(), "S-1", Any, event())
		done <- err
	}()
	<-asked
	began := time.Now()
	_ = client.Close()
	if err := <-done; err != nil {
		t.Errorf("the append under way: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("closing took %v", took)
	}
	var over *ClientClosed
	if _, err := client.Append(t.Context(), "S-1", Any, event()); !errors.As(err, &over) {
		t.Errorf("an append after that: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

func TestClosingGivesUpAppendsThatAreNotAnswered(t *testing.T) {
	server := newFake(t)
	server.session = silent
	client := newTestClient(t, server.address, WithTimeout(time.Minute))
	done := make(chan error, 1)
	go func() {
		_, err := client.Append(t.Context(), "S-1", Any, event())
		done <- err
	}()
	for len(server.seen(minkpb.EventStore_AppendSession_FullMethodName)) == 0 {
		time.Sleep(time.Millisecond)
	}
	client.appender.close(100 * time.Millisecond) // the grace of Close is the same, and longer
	var over *ClientClosed
	if err := <-done; !errors.As(err, &over) {
		t.Errorf("the append under way: %v", err)
	}
}

func TestWhatCannotBeSentIsRefusedBeforeItIs(t *testing.T) {
	client := newTestClient(t, "127.0.0.1:1")
	var wrong *InvalidRequest
	_, err := client.Append(t.Context(), "S-1", Any, event(), JSON("T", make(chan int)))
	if !errors.As(err, &wrong) || wrong.Fields[0].Field != "events[1]" {
		t.Errorf("no JSON: %v", err)
	}
	_, err = client.AppendMany(t.Context(), StreamAppend{"S-1", Any, []NewEvent{JSON("T", make(chan int))}})
	if !errors.As(err, &wrong) || wrong.Fields[0].Field != "appends[0].events[0]" {
		t.Errorf("no JSON, for several streams: %v", err)
	}
	damaged := WithMetadata(map[string]string{"k": "\xff", "\xfe": "v", "good": "é"})
	_, err = client.Append(t.Context(), "S-\xff", Any, event(), RawJSON("T", "{}", damaged))
	if names := fieldsOf(t, err); !slices.Equal(names, []string{`events[1].metadata["\xfe"]`, `events[1].metadata["k"]`, "stream"}) {
		t.Errorf("no UTF-8: %q", names)
	}
	_, err = client.AppendMany(t.Context(), StreamAppend{"S-1", Any, []NewEvent{RawJSON("T", "\xff")}})
	if names := fieldsOf(t, err); !slices.Equal(names, []string{"appends[0].events[0].json"}) {
		t.Errorf("no UTF-8, for several streams: %q", names)
	}
	if _, err = client.SaveSnapshot(t.Context(), "S-1", 1, State{}); !slices.Equal(fieldsOf(t, err), []string{"state"}) {
		t.Errorf("no state: %v", err)
	}
	if _, err = client.SaveSnapshot(t.Context(), "S-1", 1, JSONState(make(chan int))); !errors.As(err, &wrong) {
		t.Errorf("no JSON, of a state: %v", err)
	}
	if _, err = client.GetStream(t.Context(), "S-\xff"); !slices.Equal(fieldsOf(t, err), []string{"stream"}) {
		t.Errorf("no UTF-8, of a unary call: %v", err)
	}
	for _, err = range client.ReadStream(t.Context(), "S-\xff") {
		if !errors.As(err, &wrong) {
			t.Errorf("no UTF-8, of a reading: %v", err)
		}
	}
	for _, err = range client.ReadAll(t.Context(), Types("\xff")) {
		if !slices.Equal(fieldsOf(t, err), []string{"filter.types[0]"}) {
			t.Errorf("no UTF-8, of a filter: %v", err)
		}
	}
	for _, err = range client.SubscribeAll(t.Context(), Types("\xff")).Events() {
		if !slices.Equal(fieldsOf(t, err), []string{"filter.types[0]"}) {
			t.Errorf("no UTF-8, of a subscription: %v", err)
		}
	}
}

// fieldsOf are the names of the fields that an InvalidRequest says are wrong, in order.
func fieldsOf(t *testing.T, err error) []string {
	t.Helper()
	var wrong *InvalidRequest
	if !errors.As(err, &wrong) {
		t.Fatalf("it is %v", err)
	}
	var names []string
	for _, field := range wrong.Fields {
		names = append(names, field.Field)
	}
	slices.Sort(names)
	return names
}
