package mink

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mink-es/mink/clients/go/minkpb"

	_ "google.golang.org/grpc/encoding/proto" // the codec that sessionCodec reads with
)

// How long the server has to end the call after the last append was answered.
const goodbye = time.Second

const (
	appendsField = 1 // of AppendSessionRequest
	timeoutField = 4 // of SessionAppend
)

var appendSession = &minkpb.EventStore_ServiceDesc.Streams[slices.IndexFunc(
	minkpb.EventStore_ServiceDesc.Streams, func(s grpc.StreamDesc) bool { return s.StreamName == "AppendSession" },
)]

// run keeps a session open while there is something to send: opened with the first append, and again when it breaks.
func (a *appender) run() {
	defer close(a.finished)
	var waits backoff
	for a.hasWork() {
		err := a.session(&waits)
		if err == nil {
			continue
		}
		a.broken(err)
		if isTransient(err) {
			a.pause(waits.next(err))
		}
	}
}

func (a *appender) pause(delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.over:
	}
}

// session sends and receives over one call until it ends, and says why it broke; nil if it ended because the client is closing, or has
// other credentials.
func (a *appender) session(waits *backoff) error {
	c := a.connection
	// In no caller's context: its trace would be everybody's, and its end would end everybody.
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	begun := time.AfterFunc(c.timeout, cancel) // of a server that takes the connection and says nothing
	shown, err := c.open(ctx)
	var stream grpc.ClientStream
	if err == nil {
		stream, err = c.NewStream(
			ctx, appendSession, minkpb.EventStore_AppendSession_FullMethodName, grpc.ForceCodecV2(sessionCodec{}),
		)
	}
	switch inTime := begun.Stop(); {
	case !inTime:
		return unavailable("no connection with Mink at " + c.target + " in time")
	case err != nil:
		return c.failed(context.Background(), err)
	}

	out := outgoing{stream: stream, version: shown.version, stop: make(chan struct{}), cancel: cancel}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		a.sendAll(&out)
	}()
	err = a.receiveAll(stream, waits)
	cancel()
	close(out.stop)
	<-sent

	switch {
	case a.isOver():
		return nil
	case out.left:
		a.mu.Lock()
		a.sendAgain(nil)
		a.mu.Unlock()
		return nil
	case errors.Is(err, io.EOF):
		return unavailable("Mink at " + c.target + " ended the append session")
	}
	return c.failed(context.Background(), err)
}

// outgoing is what is said over one session.
type outgoing struct {
	stream  grpc.ClientStream
	version int           // of the credentials that it was opened with
	stop    chan struct{} // ends when the session has
	cancel  context.CancelFunc
	left    bool // whether it was left for one with other credentials; to be read when sending is over
}

func (a *appender) sendAll(out *outgoing) {
	for {
		a.holdBack(out.stop)
		entries := a.next(out.stop)
		if len(entries) == 0 {
			break
		}
		a.connection.credentials.look(false)
		if a.connection.credentials.present.Load().version != out.version {
			// What this session has sent is answered; the rest, and what was just taken, takes the next one.
			out.left = true
			break
		}
		if err := out.stream.SendMsg(sessionMessage(encodeMessage(entries))); err != nil {
			if !errors.Is(err, io.EOF) {
				out.cancel() // otherwise somebody would wait for results of what was never sent
			}
			return // whoever receives learns why
		}
	}
	_ = out.stream.CloseSend()
	timer := time.NewTimer(goodbye)
	defer timer.Stop()
	select {
	case <-out.stop:
	case <-timer.C:
		out.cancel()
	}
}

func (a *appender) receiveAll(stream grpc.ClientStream, waits *backoff) error {
	for {
		response := &minkpb.AppendSessionResponse{}
		if err := stream.RecvMsg(response); err != nil {
			return err
		}
		waits.reset()
		a.results(response)
	}
}

// encodeMessage writes an AppendSessionRequest of appends that are written already, each with the time that it has left.
func encodeMessage(entries []*entry) []byte {
	size := 0
	for _, e := range entries {
		size += len(e.body) + 2*protowire.SizeVarint(uint64(len(e.body))) + 16
	}
	message, now := make([]byte, 0, size), time.Now()
	var scratch [32]byte
	for _, e := range entries {
		timeout := appendTimeout(scratch[:0], e.deadline.Sub(now))
		message = protowire.AppendTag(message, appendsField, protowire.BytesType)
		message = protowire.AppendVarint(message, uint64(len(e.body)+len(timeout)))
		message = append(message, e.body...)
		message = append(message, timeout...)
	}
	return message
}

// appendTimeout writes the field `timeout` of a SessionAppend: the time left, rounded up, so that the caller's own time ends first.
func appendTimeout(to []byte, left time.Duration) []byte {
	const tenth = 100 * time.Millisecond
	left = max((left+tenth-1)/tenth, 1) * tenth
	seconds, nanos := uint64(left/time.Second), uint64(left%time.Second)
	to = protowire.AppendTag(to, timeoutField, protowire.BytesType)
	to = protowire.AppendVarint(to, uint64(2+protowire.SizeVarint(seconds)+protowire.SizeVarint(nanos)))
	to = protowire.AppendTag(to, 1, protowire.VarintType)
	to = protowire.AppendVarint(to, seconds)
	to = protowire.AppendTag(to, 2, protowire.VarintType)
	return protowire.AppendVarint(to, nanos)
}

// sessionMessage is an AppendSessionRequest that is written already.
type sessionMessage []byte

// sessionCodec sends those, and reads answers as every other call does.
type sessionCodec struct{}

func (sessionCodec) Name() string { return "proto" }

func (sessionCodec) Marshal(message any) (mem.BufferSlice, error) {
	written, ok := message.(sessionMessage)
	if !ok {
		return nil, errors.New("not a message of a session")
	}
	return mem.BufferSlice{mem.SliceBuffer(written)}, nil
}

func (sessionCodec) Unmarshal(data mem.BufferSlice, message any) error {
	return encoding.GetCodecV2("proto").Unmarshal(data, message)
}
