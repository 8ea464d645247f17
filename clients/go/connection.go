package mink

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mink-es/mink/clients/go/minkpb"
)

const (
	largestMessage = 64 << 20
	// How long calls may go on over a connection that was made with certificates that have been renewed since.
	oldConnectionGrace = 10 * time.Minute
)

// connection is a gRPC connection to a server, and what goes with every call over it: the token and the trace.
//
// When certificates are renewed, calls that begin go over a new connection. Calls that are open stay on the old one for at most
// ten minutes.
type connection struct {
	target      string
	credentials *credentialStore
	timeout     time.Duration
	tracing     *tracing
	log         *slog.Logger
	eventStore  minkpb.EventStoreClient
	snapshots   minkpb.SnapshotsClient

	// done ends when the client is closed.
	done chan struct{}

	mu         sync.Mutex // guards what follows
	closed     bool
	conn       *grpc.ClientConn
	tlsVersion int
	retiring   map[*grpc.ClientConn]*time.Timer
}

func newConnection(target string, credentials *credentialStore, timeout time.Duration, tracing *tracing, log *slog.Logger) (*connection, error) {
	c := &connection{
		target:      target,
		credentials: credentials,
		timeout:     timeout,
		tracing:     tracing,
		log:         log,
		done:        make(chan struct{}),
		retiring:    map[*grpc.ClientConn]*time.Timer{},
	}
	c.eventStore = minkpb.NewEventStoreClient(c)
	c.snapshots = minkpb.NewSnapshotsClient(c)
	present := credentials.present.Load()
	conn, err := c.dial(present)
	if err != nil {
		return nil, invalid("server", "is no address that gRPC takes", err)
	}
	c.conn, c.tlsVersion = conn, present.tlsVersion
	return c, nil
}

// dial prepares a connection; it is made with the first call.
func (c *connection) dial(shown *shown) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(shown.transport),
		grpc.WithUserAgent(userAgent),
		// A peer that went away without a word is noticed within 40 seconds, also when no call is open.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithIdleTimeout(0),
		// A server that comes back is found again at once. The timeout is how long one attempt to connect may take at least.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestMessage), grpc.MaxCallSendMsgSize(largestMessage)),
		// Nobody but this client says how its calls are made: no look-up of TXT records before the first one.
		grpc.WithDisableServiceConfig(),
	}
	if isLoopback(c.target) {
		// What is on this machine is not reached through a proxy; and a proxy would see the token.
		options = append(options, grpc.WithNoProxy())
	}
	builder, target := listed(c.target)
	if builder != nil {
		options = append(options, grpc.WithResolvers(builder))
	}
	return grpc.NewClient(target, options...)
}

// open is to be asked before each call: gRPC's own answers are not for users. It gives what the call will show.
func (c *connection) open(ctx context.Context) (*shown, error) {
	if c.isClosed() {
		return nil, closed("the client is closed")
	}
	return c.credentials.now(ctx)
}

func (c *connection) isClosed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// outgoing is the gRPC connection for a call that begins now, and its context. Metadata that the caller's context holds for other
// calls does not go along: it may be another server's token.
func (c *connection) outgoing(ctx context.Context, traced bool) (context.Context, *grpc.ClientConn, error) {
	shown, err := c.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	md := metadata.MD{}
	if traced {
		inject(ctx, md)
	}
	if shown.authorization != "" {
		md.Set("authorization", shown.authorization)
	}
	return metadata.NewOutgoingContext(ctx, md), c.channel(shown), nil
}

func (c *connection) channel(shown *shown) *grpc.ClientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if shown.tlsVersion > c.tlsVersion && !c.closed {
		conn, err := c.dial(shown)
		if err != nil {
			return c.conn // the same address has been dialled before: this cannot be
		}
		old := c.conn
		c.conn, c.tlsVersion = conn, shown.tlsVersion
		c.retiring[old] = time.AfterFunc(oldConnectionGrace, func() { c.retire(old) })
	}
	return c.conn
}

func (c *connection) retire(old *grpc.ClientConn) {
	c.mu.Lock()
	delete(c.retiring, old)
	c.mu.Unlock()
	_ = old.Close()
}

// Invoke makes a unary call, with the token and the trace.
func (c *connection) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	ctx, conn, err := c.outgoing(ctx, true)
	if err != nil {
		return err
	}
	return conn.Invoke(ctx, method, args, reply, options...)
}

// NewStream begins a streaming call, with the token and the trace.
func (c *connection) NewStream(
	ctx context.Context, description *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	// A call that many share carries nobody's trace.
	ctx, conn, err := c.outgoing(ctx, !description.ClientStreams)
	if err != nil {
		return nil, err
	}
	return conn.NewStream(ctx, description, method, options...)
}

// failed is what an error of a call means; the context is that of the caller.
func (c *connection) failed(ctx context.Context, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	switch {
	case c.isClosed():
		return closed("the client was closed while the call was under way")
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled(causeOf(ctx))
	case ctx.Err() != nil:
		return late("no answer from Mink at "+c.target+" in time", causeOf(ctx))
	}
	return fromRPC(err, c.target, c.credentials.tls != nil)
}

// over is why nothing more is given to a caller: its context has ended, or the client is closed. Nil: neither. It is asked for each
// event, and takes no lock as long as there is nothing to tell.
func (c *connection) over(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return c.failed(ctx, ctx.Err())
	default:
	}
	if c.isClosed() {
		return c.failed(ctx, context.Canceled)
	}
	return nil
}

// sleep waits; less if the context ends, or the client is closed, and then it says so.
func (c *connection) sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
	case <-c.done:
	}
	return c.failed(ctx, ctx.Err())
}

// connect connects, and does not wait for a server that is away: gRPC fails any call at once, and tells it why.
func (c *connection) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, conn, err := c.outgoing(ctx, false)
	if err == nil {
		_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	}
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown:
		return c.failed(ctx, err)
	}
	return nil // whatever it was, somebody who speaks gRPC has said it
}

// close ends every call and the connection.
func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	close(c.done)
	c.credentials.tokens.close()
	_ = c.conn.Close()
	for old, timer := range c.retiring {
		timer.Stop()
		_ = old.Close()
	}
}
