package mink

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// fake is a server that does what a test says, over a real socket.
type fake struct {
	minkpb.UnimplementedEventStoreServer
	minkpb.UnimplementedSnapshotsServer

	address string

	session   func(minkpb.EventStore_AppendSessionServer) error
	unary     func(method string, request proto.Message) (proto.Message, error)
	read      func(*minkpb.ReadStreamRequest, minkpb.EventStore_ReadStreamServer) error
	readAll   func(*minkpb.ReadAllRequest, minkpb.EventStore_ReadAllServer) error
	subscribe func(*minkpb.SubscribeAllRequest, minkpb.EventStore_SubscribeAllServer) error

	mu    sync.Mutex
	calls []seenCall
}

// seenCall is a call as the server saw it.
type seenCall struct {
	method string
	header metadata.MD
}

func newFake(t testing.TB, options ...grpc.ServerOption) *fake {
	t.Helper()
	f := &fake{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	options = append(options, grpc.UnaryInterceptor(f.seeUnary), grpc.StreamInterceptor(f.seeStream))
	server := grpc.NewServer(options...)
	minkpb.RegisterEventStoreServer(server, f)
	minkpb.RegisterSnapshotsServer(server, f)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-ended
	})
	return f
}

func (f *fake) see(ctx context.Context, method string) {
	header, _ := metadata.FromIncomingContext(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, seenCall{method, header})
}

// seen are the calls so far of a method, named in full.
func (f *fake) seen(method string) []seenCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []seenCall
	for _, one := range f.calls {
		if one.method == method {
			found = append(found, one)
		}
	}
	return found
}

func (f *fake) seeUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	f.see(ctx, info.FullMethod)
	if f.unary != nil {
		return f.unary(info.FullMethod, request.(proto.Message))
	}
	return handle(ctx, request)
}

func (f *fake) seeStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	f.see(stream.Context(), info.FullMethod)
	return handle(server, stream)
}

func (f *fake) AppendSession(stream minkpb.EventStore_AppendSessionServer) error {
	return f.session(stream)
}

func (f *fake) ReadStream(request *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
	return f.read(request, stream)
}

func (f *fake) ReadAll(request *minkpb.ReadAllRequest, stream minkpb.EventStore_ReadAllServer) error {
	return f.readAll(request, stream)
}

func (f *fake) SubscribeAll(request *minkpb.SubscribeAllRequest, stream minkpb.EventStore_SubscribeAllServer) error {
	return f.subscribe(request, stream)
}

// answered is a session that answers every append with version 1.
func answered(stream minkpb.EventStore_AppendSessionServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		if err := stream.Send(results(request.GetAppends(), appendedAt1)); err != nil {
			return err
		}
	}
}

func appendedAt1(a *minkpb.SessionAppend) *minkpb.SessionResult {
	return &minkpb.SessionResult{RequestId: a.GetRequestId(), Result: &minkpb.SessionResult_ToStream{
		ToStream: &minkpb.AppendToStreamResponse{Version: 1, FirstPosition: 1, LastPosition: 1},
	}}
}

// notAppended is the result of an append that failed.
func notAppended(a *minkpb.SessionAppend, err error) *minkpb.SessionResult {
	s := status.Convert(err).Proto()
	return &minkpb.SessionResult{RequestId: a.GetRequestId(), Result: &minkpb.SessionResult_Failure{
		Failure: &minkpb.Failure{Code: s.GetCode(), Message: s.GetMessage(), Details: s.GetDetails()},
	}}
}

func results(appends []*minkpb.SessionAppend, result func(*minkpb.SessionAppend) *minkpb.SessionResult) *minkpb.AppendSessionResponse {
	response := &minkpb.AppendSessionResponse{}
	for _, a := range appends {
		response.Results = append(response.Results, result(a))
	}
	return response
}

// minkStatus is an error as Mink's server gives it.
func minkStatus(code codes.Code, reason string, details ...proto.Message) error {
	return domainStatus(code, "mink", reason, details...)
}

func domainStatus(code codes.Code, domain, reason string, details ...proto.Message) error {
	all := []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.ErrorInfo{Domain: domain, Reason: reason})}
	for _, detail := range details {
		all = append(all, protoadapt.MessageV1Of(detail))
	}
	made, err := status.New(code, "words for a person").WithDetails(all...)
	if err != nil {
		panic(err)
	}
	return made.Err()
}

func retryInfo(after *durationpb.Duration) proto.Message {
	return &errdetails.RetryInfo{RetryDelay: after}
}

// numbered are events with these versions and positions.
func numbered(first, last int64) []*minkpb.RecordedEvent {
	var events []*minkpb.RecordedEvent
	for n := first; n <= last; n++ {
		events = append(events, &minkpb.RecordedEvent{
			Position: n, Version: n, Stream: "S-1", Type: "T", Payload: &minkpb.RecordedEvent_Json{Json: "{}"},
		})
	}
	return events
}

func outgoingWith(ctx context.Context, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}
