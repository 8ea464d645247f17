package mink

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mink-es/mink/clients/go/minkpb"
)

func TestOptionsThatAreNilArePassedOver(t *testing.T) {
	server := hundred(t)
	server.session = answered
	client := newTestClient(t, server.address, nil, WithLogger(nil), WithTracerProvider(nil))
	ctx := t.Context()
	if _, err := client.Append(ctx, "S-1", Any, JSON("T", 1, nil)); err != nil {
		t.Error(err)
	}
	for _, err := range client.ReadStream(ctx, "S-1", nil) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, err := range client.ReadAll(ctx, nil, FilterOption{}) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, err := range client.ListStreams(ctx, "", nil) {
		if err != nil {
			t.Error(err)
		}
	}
	subscription := client.SubscribeAll(ctx, nil, FilterOption{})
	defer subscription.Close()
	for _, err := range subscription.Events() {
		if err != nil {
			t.Error(err)
		}
		break
	}
	server.unary = func(method string, _ proto.Message) (proto.Message, error) {
		if method == minkpb.Snapshots_SaveSnapshot_FullMethodName {
			return &minkpb.SaveSnapshotResponse{}, nil
		}
		return &minkpb.DeleteStreamResponse{}, nil
	}
	if _, err := client.SaveSnapshot(ctx, "S-1", 1, BinaryState(nil), nil); err != nil {
		t.Error(err)
	}
	if _, err := client.DeleteStream(ctx, "S-1", Any, nil); err != nil {
		t.Error(err)
	}
}
