package mink

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
)

const (
	defaultTimeout = 10 * time.Second
	// How long closing waits for the appends under way.
	closingGrace = 5 * time.Second
)

// Client is a connection to a Mink server. Make one with [New] and share it: it is safe for concurrent use.
//
// What every call can fail with: [Unavailable] (also as [DatabaseUnavailable] or [ShuttingDown]), [Overloaded], [DeadlineExceeded],
// [Unauthenticated], [PermissionDenied], [InvalidRequest], [InternalError], and [ClientClosed]. What else, is said with the call.
type Client struct {
	connection *connection
	appender   *appender
}

// Option is for [New]. Of one that is given twice, the last one counts; nil is passed over.
type Option func(*settings)

type settings struct {
	timeout  time.Duration
	tls      *TLS
	noTLS    bool
	token    tokenSource
	inClear  bool
	log      *slog.Logger
	provider trace.TracerProvider
}

// WithTimeout is how long a call may take, with its retries; 10 seconds if it is not said. A context may make it shorter.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithTLS speaks TLS. Without it, as the environment says: MINK_TLS, or one of the variables of [TLS] that names a file.
func WithTLS(how TLS) Option { return func(s *settings) { s.tls, s.noTLS = &how, false } }

// WithoutTLS speaks no TLS, whatever the environment says.
func WithoutTLS() Option { return func(s *settings) { s.tls, s.noTLS = nil, true } }

// WithToken says who the client is. Without a token, a function or a file: MINK_TOKEN or MINK_TOKEN_FILE.
func WithToken(token string) Option { return func(s *settings) { s.token.text = &token } }

// WithTokenFunc fetches the token: with the first call, and when the server refuses the one that there is. It has ten seconds, also if
// the call that needs the token has less: the next one finds it. Its context has the values of that call's, and ends with the client.
func WithTokenFunc(fetch func(context.Context) (string, error)) Option {
	return func(s *settings) { s.token.fetch, s.token.noFetch = fetch, fetch == nil }
}

// WithTokenFile names a file that holds the token. It is read again when it changes.
func WithTokenFile(path string) Option { return func(s *settings) { s.token.file = path } }

// WithInsecureToken allows the token to go to another machine without TLS, where something else encrypts the way.
func WithInsecureToken() Option { return func(s *settings) { s.inClear = true } }

// WithLogger says where the client tells that a subscription was interrupted, or that a new file of credentials cannot be used.
// Without it: [slog.Default]. No token, no key and no payload is ever logged.
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// WithTracerProvider makes spans with this provider, and not with OpenTelemetry's global one.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return func(s *settings) { s.provider = provider }
}

// New makes a client. It connects with the first call.
//
// The server is an address, `host:port`, or one with a scheme of gRPC's, such as `dns:///host:port` or `unix:/path`. Empty: the variable
// MINK_SERVER, or localhost:50051. What the options do not say comes from the environment as well.
//
// It fails with [CredentialsError] if a file cannot be used, or the token would go to another machine in clear; and with
// [InvalidRequest] if the address has no port or is a URL, or the timeout is not above zero.
func New(server string, options ...Option) (*Client, error) {
	chosen := settings{timeout: defaultTimeout}
	for _, option := range options {
		if option != nil {
			option(&chosen)
		}
	}
	if chosen.timeout <= 0 {
		return nil, invalid("timeout", fmt.Sprintf("must be above zero, not %v", chosen.timeout), nil)
	}
	if chosen.log == nil {
		chosen.log = slog.Default()
	}
	target, err := chooseAddress(server)
	if err != nil {
		return nil, err
	}
	speak, err := chooseTLS(chosen.tls, chosen.noTLS)
	if err != nil {
		return nil, err
	}
	source, err := chooseToken(chosen.token)
	if err != nil {
		return nil, err
	}
	credentials, err := newCredentials(target, speak, source, chosen.inClear, chosen.log)
	if err != nil {
		return nil, err
	}
	connection, err := newConnection(target, credentials, chosen.timeout, newTracing(target, chosen.provider), chosen.log)
	if err != nil {
		return nil, err
	}
	return &Client{connection, newAppender(connection)}, nil
}

// Close waits up to five seconds for the appends under way, and disconnects. Everything else that is open, and every call from now on,
// ends with [ClientClosed]. It is always nil, and may be called again.
func (c *Client) Close() error {
	end := time.Now().Add(closingGrace)
	c.appender.close(closingGrace)
	c.appender.wait(time.Until(end))
	c.connection.close()
	return nil
}

// Server is the address that the client was made with, or found in the environment.
func (c *Client) Server() string { return c.connection.target }

// Connect connects now and not with the first call, and does not wait for a server that is away: for whoever wants to know.
//
// It checks that somebody who speaks gRPC answers at the address, over TLS as the client does if it does. It does not check that this
// is a Mink, that it is ready, or that it takes the token: the first call does.
//
// It fails with [Unavailable] if nobody answers; with [DeadlineExceeded] or [Unavailable], after its time, if somebody takes the
// connection and says nothing; and with [CredentialsError] if there is no token to be had.
func (c *Client) Connect(ctx context.Context) error { return c.connection.connect(ctx) }

// Conn is what calls go over, for what this package does not do itself: give it to the clients of package minkpb. The token and the
// caller's trace go along; errors are gRPC's, nothing is tried again, and the client's timeout does not count.
//
//	operations := minkpb.NewOperationsClient(client.Conn())
func (c *Client) Conn() grpc.ClientConnInterface { return c.connection }
