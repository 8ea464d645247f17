package mink

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// Traces, if the process has them: the caller's trace goes along with calls and into events, and each call is a span.

const (
	instrumentation = "github.com/mink-es/mink/clients/go"
	traceparent     = "traceparent"
)

var w3c propagation.TraceContext

// ContextOf is a context in which the append of an event was traced, so that whoever handles the event continues its trace:
//
//	ctx, span := tracer.Start(mink.ContextOf(ctx, event), "bill the order")
//
// It is ctx itself if the event has no `traceparent` in its metadata, or one that is damaged.
func ContextOf(ctx context.Context, event RecordedEvent) context.Context {
	return w3c.Extract(ctx, propagation.MapCarrier(event.message.GetMetadata()))
}

// tracing begins the spans of one client.
type tracing struct {
	tracer trace.Tracer
	host   string
	port   int
	known  sync.Map // the attributes of calls, a trace.SpanStartOption by the path of the RPC
}

func newTracing(target string, provider trace.TracerProvider) *tracing {
	if provider == nil {
		provider = otel.GetTracerProvider() // follows the one that the process sets later
	}
	t := &tracing{tracer: provider.Tracer(instrumentation, trace.WithInstrumentationVersion(clientVersion))}
	t.host, t.port = hostAndPort(target)
	return t
}

func (t *tracing) attributes(path string) trace.SpanStartOption {
	if found, ok := t.known.Load(path); ok {
		return found.(trace.SpanStartOption)
	}
	service, method, _ := strings.Cut(path[1:], "/")
	attributes := []attribute.KeyValue{
		attribute.String("rpc.system", "grpc"),
		attribute.String("rpc.service", service),
		attribute.String("rpc.method", method),
		attribute.String("server.address", t.host),
	}
	if t.port > 0 {
		attributes = append(attributes, attribute.Int("server.port", t.port))
	}
	made := trace.WithAttributes(attributes...)
	t.known.Store(path, made)
	return made
}

// callSpan is the span of one call.
type callSpan struct{ span trace.Span }

// start begins the span of a call, which is then the current one. The path is that of the RPC: /mink.v1.EventStore/GetStream.
func (t *tracing) start(ctx context.Context, path string) (context.Context, callSpan) {
	ctx, span := t.tracer.Start(ctx, path[1:], trace.WithSpanKind(trace.SpanKindClient), t.attributes(path))
	return ctx, callSpan{span}
}

// end ends the span with what came of the call. Messages stay out of the trace.
func (s callSpan) end(err error) {
	if s.span == nil || !s.span.IsRecording() {
		return
	}
	if err == nil {
		s.span.SetAttributes(attribute.Int("rpc.grpc.status_code", 0))
	} else {
		kind := Reason(err)
		if kind == "" && errors.Is(err, context.Canceled) {
			kind = "CANCELLED"
		}
		s.span.SetAttributes(attribute.String("error.type", kind))
		s.span.SetStatus(codes.Error, kind)
	}
	s.span.End()
}

// forEvents is what goes into the metadata of the events of an append: `traceparent`, and `tracestate` if there is one. No
// baggage: events stay.
func (s callSpan) forEvents() map[string]string {
	if s.span == nil || !s.span.SpanContext().IsValid() {
		return nil
	}
	carrier := propagation.MapCarrier{}
	w3c.Inject(trace.ContextWithSpan(context.Background(), s.span), carrier)
	return carrier
}

// inject adds what the process's propagator says of the context to the metadata of a call; of W3C's, if none was set.
func inject(ctx context.Context, md metadata.MD) {
	propagator := otel.GetTextMapPropagator()
	if len(propagator.Fields()) == 0 {
		propagator = w3c
	}
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	for key, value := range carrier {
		if isPrintable(value) {
			md.Set(key, value)
		}
	}
}

// isPrintable says whether gRPC takes a text in a header: it fails the call otherwise, and a trace is not worth that.
func isPrintable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
