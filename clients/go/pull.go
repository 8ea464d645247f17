package mink

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// errSilent is: no message came in the time that there was for one.
var errSilent = errors.New("no message in time")

// pull takes the messages of one streaming call, each in a limited time.
type pull[M any] struct {
	connection *connection
	cancel     context.CancelFunc
	stream     grpc.ServerStreamingClient[M]
	span       callSpan
	timer      *time.Timer
	late       atomic.Bool
	version    int // of the credentials with which the call began
}

// beginCall begins a streaming call. What it needs of the context, and of its time, it keeps until it is closed.
//
// The path is that of the RPC, for its span; empty: it has none.
func beginCall[M any](
	ctx context.Context, c *connection, path string, patience time.Duration,
	begin func(context.Context) (grpc.ServerStreamingClient[M], error),
) (*pull[M], error) {
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	p := &pull[M]{connection: c, cancel: cancel}
	p.timer = time.AfterFunc(patience, func() {
		p.late.Store(true)
		cancel()
	})
	shown, err := c.open(ctx) // may fetch a token
	if err != nil {
		return nil, p.end(p.meaning(caller, err))
	}
	p.version = shown.version
	if path != "" {
		ctx, p.span = c.tracing.start(ctx, path)
	}
	if p.stream, err = begin(ctx); err != nil {
		return p, p.end(p.meaning(caller, err))
	}
	p.timer.Stop()
	return p, nil
}

// next takes the next message.
//
// Its error is io.EOF at the end, errSilent if none came in time, and one of this package otherwise. The call is over then.
func (p *pull[M]) next(ctx context.Context, patience time.Duration) (*M, error) {
	p.timer.Reset(patience)
	message, err := p.stream.Recv()
	p.timer.Stop()
	if err == nil {
		return message, nil
	}
	if errors.Is(err, io.EOF) {
		p.close()
		return nil, io.EOF
	}
	return nil, p.end(p.meaning(ctx, err))
}

// isOver says whether the timer has ended the call, after a message that came at the same moment.
func (p *pull[M]) isOver() bool { return p.late.Load() }

func (p *pull[M]) meaning(ctx context.Context, err error) error {
	if p.late.Load() && ctx.Err() == nil && !p.connection.isClosed() {
		return errSilent
	}
	return p.connection.failed(ctx, err)
}

// end ends the call with a failure, and gives it back.
func (p *pull[M]) end(err error) error {
	p.timer.Stop()
	p.cancel()
	if errors.Is(err, errSilent) {
		p.span.end(late("no message in time", nil))
	} else {
		p.span.end(err)
	}
	p.span = callSpan{}
	return err
}

// close ends the call. A reader that has enough is no failure.
func (p *pull[M]) close() {
	p.timer.Stop()
	p.cancel()
	p.span.end(nil)
	p.span = callSpan{}
}
