package mink

import (
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mink-es/mink/clients/go/minkpb"
)

func TestOptionsOfReadingsGoIntoTheRequest(t *testing.T) {
	server := newFake(t)
	var stream *minkpb.ReadStreamRequest
	server.read = func(r *minkpb.ReadStreamRequest, _ minkpb.EventStore_ReadStreamServer) error {
		stream = r
		return nil
	}
	var all *minkpb.ReadAllRequest
	server.readAll = func(r *minkpb.ReadAllRequest, _ minkpb.EventStore_ReadAllServer) error {
		all = r
		return nil
	}
	client := newTestClient(t, server.address)
	for range client.ReadStream(t.Context(), "S-1", FromVersion(3), Backwards(), Limit(10)) {
		t.Error("an event")
	}
	wantStream := &minkpb.ReadStreamRequest{Stream: "S-1", FromVersion: 3, Direction: minkpb.ReadDirection_BACKWARDS, Limit: 10}
	if !proto.Equal(stream, wantStream) {
		t.Errorf("asked %v, not %v", stream, wantStream)
	}
	for range client.ReadAll(t.Context(), After(7), Limit(10), Streams("A"), StreamPrefixes("B", "C"), Categories("D"), Types("E"), Types("F")) {
		t.Error("an event")
	}
	wantAll := &minkpb.ReadAllRequest{
		AfterPosition: 7, Direction: minkpb.ReadDirection_FORWARDS, Limit: 10,
		Filter: &minkpb.EventFilter{Streams: []string{"A"}, StreamPrefixes: []string{"B", "C"}, Categories: []string{"D"}, Types: []string{"E", "F"}},
	}
	if !proto.Equal(all, wantAll) {
		t.Errorf("asked %v, not %v", all, wantAll)
	}
	for range client.ReadAll(t.Context(), Before(7), Backwards()) {
		t.Error("an event")
	}
	wantAll = &minkpb.ReadAllRequest{BeforePosition: 7, Direction: minkpb.ReadDirection_BACKWARDS, Filter: &minkpb.EventFilter{}}
	if !proto.Equal(all, wantAll) {
		t.Errorf("asked %v, not %v", all, wantAll)
	}
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	client := newTestClient(t, "127.0.0.1:1")
	for _, options := range [][]ReadAllOption{{After(1), Backwards()}, {Before(1)}} {
		var wrong *InvalidRequest
		for _, err := range client.ReadAll(t.Context(), options...) {
			if !errors.As(err, &wrong) {
				t.Errorf("%v: %v", options, err)
			}
		}
		if wrong == nil {
			t.Errorf("%v: nothing came", options)
		}
	}
	for _, err := range client.SubscribeAll(t.Context(), After(1), FromEnd()).Events() {
		var wrong *InvalidRequest
		if !errors.As(err, &wrong) {
			t.Error(err)
		}
	}
}

func TestAReadingCarriesOnAfterTheLastEventSeen(t *testing.T) {
	server := newFake(t)
	var asked []*minkpb.ReadStreamRequest
	server.read = func(r *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		asked = append(asked, r)
		if len(asked) == 1 {
			_ = stream.Send(&minkpb.ReadStreamResponse{Events: numbered(1, 3)})
			return status.Error(codes.Unavailable, "gone")
		}
		return stream.Send(&minkpb.ReadStreamResponse{Events: numbered(4, 6)})
	}
	client := newTestClient(t, server.address)
	var versions []int64
	for event, err := range client.ReadStream(t.Context(), "S-1", Limit(6)) {
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, event.Version())
	}
	if len(versions) != 6 || versions[5] != 6 {
		t.Errorf("came %v", versions)
	}
	if asked[1].GetFromVersion() != 4 || asked[1].GetLimit() != 3 {
		t.Errorf("carried on with %v", asked[1])
	}
}

func TestALoadCarriesOnAfterItsSnapshot(t *testing.T) {
	server := newFake(t)
	var asked []*minkpb.ReadStreamRequest
	server.read = func(r *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		asked = append(asked, r)
		if len(asked) == 1 {
			_ = stream.Send(&minkpb.ReadStreamResponse{Snapshot: &minkpb.Snapshot{Version: 5, State: &minkpb.Snapshot_Json{Json: `{"n":5}`}}})
			return status.Error(codes.Unavailable, "gone")
		}
		return stream.Send(&minkpb.ReadStreamResponse{Events: numbered(6, 7)})
	}
	client := newTestClient(t, server.address)
	snapshot, events, err := client.Load(t.Context(), "S-1")
	if err != nil || snapshot.Version() != 5 || snapshot.Text() != `{"n":5}` || len(events) != 2 {
		t.Error(snapshot, events, err)
	}
	if !asked[0].GetSinceSnapshot() || asked[1].GetSinceSnapshot() || asked[1].GetFromVersion() != 6 {
		t.Errorf("asked %v", asked)
	}
}

func TestAReadingOfTheLogEndsAtTheHeadThatItBeganWith(t *testing.T) {
	server := newFake(t)
	var asked []*minkpb.ReadAllRequest
	server.readAll = func(r *minkpb.ReadAllRequest, stream minkpb.EventStore_ReadAllServer) error {
		asked = append(asked, r)
		if len(asked) == 1 {
			_ = stream.Send(&minkpb.ReadAllResponse{Events: numbered(1, 3), Position: 3, Head: 5})
			return status.Error(codes.Unavailable, "gone")
		}
		return stream.Send(&minkpb.ReadAllResponse{Events: numbered(4, 8), Position: 8, Head: 8})
	}
	client := newTestClient(t, server.address)
	last := int64(0)
	for event, err := range client.ReadAll(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		last = event.Position()
	}
	if last != 5 || asked[1].GetAfterPosition() != 3 {
		t.Errorf("the last position is %d, carried on after %d", last, asked[1].GetAfterPosition())
	}
}

func TestWhoBreaksOffAReadingEndsItsCall(t *testing.T) {
	server, ended := newFake(t), make(chan error, 2)
	server.read = func(_ *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		_ = stream.Send(&minkpb.ReadStreamResponse{Events: numbered(1, 3)})
		<-stream.Context().Done()
		ended <- stream.Context().Err()
		return nil
	}
	client := newTestClient(t, server.address)
	for event, err := range client.ReadStream(t.Context(), "S-1") {
		if err != nil || event.Version() != 1 {
			t.Error(event, err)
		}
		break
	}
	for range client.ReadStreamBatches(t.Context(), "S-1") {
		break
	}
	for range 2 {
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatal("the call is still open")
		}
	}
}

func TestTheTimeOfAReadingIsForEachMessage(t *testing.T) {
	server := newFake(t)
	server.read = func(_ *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		for n := range int64(5) {
			time.Sleep(100 * time.Millisecond)
			if err := stream.Send(&minkpb.ReadStreamResponse{Events: numbered(n+1, n+1)}); err != nil {
				return err
			}
		}
		<-stream.Context().Done()
		return nil
	}
	client := newTestClient(t, server.address, WithTimeout(300*time.Millisecond))
	count := 0
	for _, err := range client.ReadStream(t.Context(), "S-1") {
		if err == nil {
			count++
			continue
		}
		var over *DeadlineExceeded
		if !errors.As(err, &over) {
			t.Error(err)
		}
	}
	if count != 5 {
		t.Errorf("%d events came before it was given up", count)
	}
}

func TestASlowReaderLosesNoTime(t *testing.T) {
	server := newFake(t)
	server.read = func(_ *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		_ = stream.Send(&minkpb.ReadStreamResponse{Events: numbered(1, 1)})
		return stream.Send(&minkpb.ReadStreamResponse{Events: numbered(2, 2)})
	}
	client := newTestClient(t, server.address, WithTimeout(100*time.Millisecond))
	for _, err := range client.ReadStream(t.Context(), "S-1") {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // what the reader takes is not the server's time
	}
}

func TestStreamsAreListedPageByPage(t *testing.T) {
	server := newFake(t)
	server.unary = func(_ string, request proto.Message) (proto.Message, error) {
		asked := request.(*minkpb.ListStreamsRequest)
		if asked.GetPrefix() != "S-" || asked.GetPageSize() != 1 || !asked.GetIncludeDeleted() {
			return nil, io.ErrUnexpectedEOF
		}
		if asked.GetPageToken() == "" {
			return &minkpb.ListStreamsResponse{Streams: []*minkpb.StreamInfo{{Stream: "S-1"}}, NextPageToken: "next"}, nil
		}
		return &minkpb.ListStreamsResponse{Streams: []*minkpb.StreamInfo{{Stream: "S-2"}}}, nil
	}
	client := newTestClient(t, server.address)
	var names []string
	for stream, err := range client.ListStreams(t.Context(), "S-", PageSize(1), IncludeDeleted()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, stream.Stream)
	}
	if len(names) != 2 || names[1] != "S-2" {
		t.Errorf("came %v", names)
	}
}
