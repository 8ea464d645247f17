package mink

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// backoff says how long to wait before the next attempt: doubling, with jitter, and never less than the server asks for.
type backoff struct {
	attempts int
	renewed  bool
}

// reset is for when an attempt has succeeded.
func (b *backoff) reset() { *b = backoff{} }

// renews says whether to try again at once, because the server refused a token that has been replaced; once between successes.
// The version is that of the credentials with which the call began; getting other ones may take so long.
func (b *backoff) renews(ctx context.Context, c *connection, patience time.Duration, version int, err error) bool {
	var refused *Unauthenticated
	if b.renewed || !errors.As(err, &refused) {
		return false
	}
	b.renewed = true
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.credentials.renew(ctx, version)
}

// next is the pause after one more failure.
func (b *backoff) next(err error) time.Duration {
	delay := pause(b.attempts, err)
	b.attempts++
	return delay
}

// pause is how long to wait after a failure that so many came before.
func pause(attempts int, err error) time.Duration {
	delay := longestPause
	if attempts < 10 {
		delay = min(longestPause, firstPause<<attempts)
	}
	delay = between(delay, 0.5, 1)
	if asked := retryAfter(err); asked > 0 {
		// Those who were sent away together should not come back together.
		delay = max(delay, between(asked, 1, 1.2))
	}
	return delay
}

func between(d time.Duration, least, most float64) time.Duration {
	return time.Duration(float64(d) * (least + (most-least)*rand.Float64()))
}

// call makes a unary call, again and again until it succeeds, fails for good, or the time is over.
//
// The path is that of the RPC, for its spans; empty: it has none of its own. mayRetry says which failures to try again after.
func call[Q, A any](
	ctx context.Context, c *connection, path string, mayRetry func(error) bool,
	method func(context.Context, *Q, ...grpc.CallOption) (*A, error), request *Q,
) (*A, error) {
	if err := checkRequest(request); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var waits backoff
	var last error
	for {
		shown, err := c.open(ctx)
		var answer *A
		if err == nil {
			answer, err = attempt(ctx, c, path, method, request)
		}
		if err == nil {
			return answer, nil
		}
		found := c.failed(ctx, err)
		var over *DeadlineExceeded
		if errors.As(found, &over) {
			if last != nil {
				return nil, last
			}
			return nil, found
		}
		if shown != nil && waits.renews(ctx, c, c.timeout, shown.version, found) {
			continue
		}
		delay := waits.next(found)
		if !mayRetry(found) || time.Now().Add(delay).After(deadline) {
			return nil, found
		}
		last = found
		if err := c.sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}

func attempt[Q, A any](
	ctx context.Context, c *connection, path string, method func(context.Context, *Q, ...grpc.CallOption) (*A, error), request *Q,
) (*A, error) {
	if path == "" {
		return method(ctx, request)
	}
	ctx, span := c.tracing.start(ctx, path)
	answer, err := method(ctx, request)
	if err == nil {
		span.end(nil)
	} else {
		span.end(c.failed(ctx, err))
	}
	return answer, err
}

// checkRequest refuses what cannot be sent: text that is not UTF-8. gRPC would call it an internal error.
func checkRequest(request any) error {
	if message, ok := request.(proto.Message); ok {
		if _, err := proto.Marshal(message); err != nil {
			return unsendable(message, err)
		}
	}
	return nil
}
