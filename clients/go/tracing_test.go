package mink

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mink-es/mink/clients/go/minkpb"
)

func newRecorder(t testing.TB) (*tracetest.SpanRecorder, trace.TracerProvider) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return recorder, provider
}

func traceparentOf(span trace.SpanContext) string {
	return "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-01"
}

func attributeOf(span sdk.ReadOnlySpan, name string) attribute.Value {
	for _, known := range span.Attributes() {
		if string(known.Key) == name {
			return known.Value
		}
	}
	return attribute.Value{}
}

func TestEachCallIsASpanAndItsContextGoesAlong(t *testing.T) {
	recorder, provider := newRecorder(t)
	server := newFake(t)
	server.unary = failing(1, status.Error(grpccodes.Unavailable, "secret words"))
	server.read = func(_ *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		return stream.Send(&minkpb.ReadStreamResponse{Events: numbered(1, 2)})
	}
	client := newTestClient(t, server.address, WithTracerProvider(provider))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
	if _, err := client.GetStream(ctx, "S-1"); err != nil {
		t.Fatal(err)
	}
	for range client.ReadStream(ctx, "S-1") {
		break // a reader that has enough is no failure
	}
	spans := recorder.Ended()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	calls := append(server.seen(minkpb.EventStore_GetStream_FullMethodName), server.seen(minkpb.EventStore_ReadStream_FullMethodName)...)
	for i, name := range []string{"mink.v1.EventStore/GetStream", "mink.v1.EventStore/GetStream", "mink.v1.EventStore/ReadStream"} {
		span := spans[i]
		if span.Name() != name || span.SpanKind() != trace.SpanKindClient || span.Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("span %d is %s, %v, of %v", i, span.Name(), span.SpanKind(), span.Parent())
		}
		if got := calls[i].header.Get("traceparent"); len(got) != 1 || got[0] != traceparentOf(span.SpanContext()) {
			t.Errorf("call %d went with %v", i, got)
		}
		if attributeOf(span, "rpc.service").AsString() != "mink.v1.EventStore" || attributeOf(span, "server.address").AsString() != "127.0.0.1" ||
			attributeOf(span, "server.port").AsInt64() == 0 || "mink.v1.EventStore/"+attributeOf(span, "rpc.method").AsString() != name {
			t.Errorf("span %d has %v", i, span.Attributes())
		}
	}
	if failed := spans[0].Status(); failed.Code != codes.Error || failed.Description != "UNAVAILABLE" {
		t.Errorf("the first call ended with %v", failed)
	}
	if spans[1].Status().Code == codes.Error || spans[2].Status().Code == codes.Error {
		t.Error("a call that succeeded ended with an error")
	}
}

func TestAnAppendIsOneSpanHoweverOftenItIsSentAndIsInItsEvents(t *testing.T) {
	recorder, provider := newRecorder(t)
	server, kept := newFake(t), &recordingSession{}
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		for {
			appends, err := kept.take(stream)
			if err != nil {
				return nil
			}
			if len(kept.streams()) == 1 {
				return status.Error(grpccodes.Unavailable, "gone")
			}
			if err := stream.Send(results(appends, appendedAt1)); err != nil {
				return err
			}
		}
	}
	client := newTestClient(t, server.address, WithTracerProvider(provider))
	ctx, _ := provider.Tracer("test").Start(t.Context(), "parent")
	own := map[string]string{"traceparent": "mine", "a": "b"}
	if _, err := client.Append(ctx, "S-1", Any, event(), RawJSON("T", "{}", WithMetadata(own))); err != nil {
		t.Fatal(err)
	}
	spans := recorder.Ended()
	if len(spans) != 1 || spans[0].Name() != "mink.v1.EventStore/AppendToStream" {
		t.Fatalf("the spans are %v", spans)
	}
	for _, message := range kept.messages {
		events := message[0].GetToStream().GetEvents()
		if got := events[0].GetMetadata()["traceparent"]; got != traceparentOf(spans[0].SpanContext()) {
			t.Errorf("the event has %s", got)
		}
		if got := events[1].GetMetadata(); got["traceparent"] != "mine" || got["a"] != "b" || len(got) != 2 {
			t.Errorf("the event that names its trace has %v", got)
		}
	}
	for _, session := range server.seen(minkpb.EventStore_AppendSession_FullMethodName) {
		if got := session.header.Get("traceparent"); len(got) != 0 {
			t.Errorf("the session that all share went with %v", got)
		}
	}
}

func TestALargeAppendIsOneSpanToo(t *testing.T) {
	recorder, provider := newRecorder(t)
	server := newFake(t)
	server.unary = func(string, proto.Message) (proto.Message, error) { return &minkpb.AppendToStreamResponse{}, nil }
	client := newTestClient(t, server.address, WithTracerProvider(provider))
	if _, err := client.Append(t.Context(), "S-1", Any, Binary("T", make([]byte, mostBytes))); err != nil {
		t.Fatal(err)
	}
	if spans := recorder.Ended(); len(spans) != 1 {
		t.Errorf("%d spans", len(spans))
	}
	if got := server.seen(minkpb.EventStore_AppendToStream_FullMethodName)[0].header.Get("traceparent"); len(got) != 1 {
		t.Errorf("it went with %v", got)
	}
}

func TestWithoutAProviderTheCallersTraceIsCarriedOnAndNothingElseHappens(t *testing.T) {
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
	if _, err := client.Append(t.Context(), "S-1", Any, event()); err != nil {
		t.Fatal(err)
	}
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	named := RecordedEvent{&minkpb.RecordedEvent{Metadata: map[string]string{"traceparent": parent, "tracestate": "a=b"}}}
	if _, err := client.Append(ContextOf(t.Context(), named), "S-1", Any, event()); err != nil {
		t.Fatal(err)
	}
	if got := kept.messages[0][0].GetToStream().GetEvents()[0].GetMetadata(); len(got) != 0 {
		t.Errorf("without a trace the event has %v", got)
	}
	got := kept.messages[1][0].GetToStream().GetEvents()[0].GetMetadata()
	if got["traceparent"] != parent || got["tracestate"] != "a=b" {
		t.Errorf("within a trace the event has %v", got)
	}
}

func TestASubscriptionIsNoSpan(t *testing.T) {
	recorder, provider := newRecorder(t)
	server := newFake(t)
	says(server, nil, []*minkpb.SubscribeAllResponse{eventsUpTo(1, 1, 1)})
	client := newTestClient(t, server.address, WithTracerProvider(provider))
	subscription := client.SubscribeAll(t.Context())
	for range subscription.Events() {
		break
	}
	_ = subscription.Close()
	if spans := recorder.Ended(); len(spans) != 0 {
		t.Errorf("the spans are %v", spans)
	}
	if names := recorder.Started(); len(names) != 0 {
		t.Errorf("begun were %v", names)
	}
}

func TestContextOfAnEventWithoutATraceIsTheSame(t *testing.T) {
	for _, damaged := range []string{"", "00-x", strings.Repeat("0", 55)} {
		e := RecordedEvent{&minkpb.RecordedEvent{Metadata: map[string]string{"traceparent": damaged}}}
		if trace.SpanContextFromContext(ContextOf(t.Context(), e)).IsValid() {
			t.Errorf("%q names a trace", damaged)
		}
	}
}
